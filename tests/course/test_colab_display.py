"""What the course displays, under the IPython and ipywidgets of Google Colab's image."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = (ROOT / "scripts" / "colab_image.txt").read_text(encoding="utf-8").splitlines()
#: Of Colab's image: what displays, and what that imports and is not here.
NAMES = ("ipython", "ipywidgets", "backcall", "decorator", "ipython-genutils", "pickleshare")
PACKAGES = [line for line in IMAGE if line.partition("==")[0] in NAMES]


@pytest.mark.slow
def test_everything_is_displayed_under_colabs_versions(tmp_path):
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    overlay = tmp_path / "overlay"
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
    # Not from the repository, whose pinned versions uv would take for constraints.
    command = [*install, "--target", str(overlay), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    if done.returncode:
        pytest.skip(f"the packages cannot be installed: {done.stderr.strip()[-200:]}")
    child = [sys.executable, str(Path(__file__).with_name("colab_display.py")), str(tmp_path)]
    paths = os.pathsep.join([str(overlay), str(ROOT)])
    done = subprocess.run(
        child, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "IPython 7.34.0, ipywidgets 7.7.1: all displayed" in done.stdout
