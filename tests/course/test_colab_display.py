"""What the course displays, under the IPython and ipywidgets of Google Colab's image."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_everything_is_displayed_under_colabs_versions(colab_display, tmp_path):
    child = [sys.executable, str(Path(__file__).with_name("colab_display.py")), str(tmp_path)]
    paths = os.pathsep.join([str(colab_display), str(ROOT)])
    done = subprocess.run(
        child, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "IPython 7.34.0, ipywidgets 7.7.1: all displayed" in done.stdout
