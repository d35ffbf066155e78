"""`r1aqa lab`: the course's first notebook, with this Python as its kernel."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app

FIRST = "notebooks/00_start.ipynb"


@pytest.mark.slow
def test_it_leads_to_the_first_notebook_with_this_python(tmp_path, free_port, wait_for):
    """In a home where another kernel of the same name is the user's own."""
    mine = tmp_path / "data" / "kernels" / "python3"
    mine.mkdir(parents=True)
    spec = {"argv": ["other-python", "{connection_file}"], "display_name": "Mine", "language": "x"}
    (mine / "kernel.json").write_text(json.dumps(spec))
    port, log = str(free_port()), tmp_path / "log"
    places = {"JUPYTER_DATA_DIR": "data", "JUPYTER_CONFIG_DIR": "config", "HOME": "."}
    environment = os.environ | {name: str(tmp_path / at) for name, at in places.items()}
    environment |= {"JUPYTER_TOKEN": "token", "JUPYTER_PREFER_ENV_PATH": "0"}
    line = [sys.executable, "-m", "r1aqa_helpers", "lab", "--port", port, "--no-browser"]
    with log.open("wb") as out:
        process = subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=out, stderr=out)

    def get(path: str) -> tuple[str, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", None, header)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.url, answer.read()

    header = {"Authorization": "token token"}
    try:
        wait_for(process, f"http://127.0.0.1:{port}/api/status?token=token", log)
        assert get("/")[0].endswith(f"/lab/tree/{FIRST}")
        kernels = json.loads(get("/api/kernelspecs")[1])
        assert kernels["default"] == "python3"
        argv = kernels["kernelspecs"]["python3"]["spec"]["argv"]
        assert argv[0] in ("python", sys.executable)
    finally:
        process.kill()
        process.wait()


def test_options_reach_jupyterlab(monkeypatch):
    asked = []
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", lambda argv: asked.extend(argv))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    result = CliRunner().invoke(app, ["lab", "--port", "8899", "--no-browser"])
    assert result.exit_code == 0, result.output
    assert {"--ServerApp.port=8899", "--no-browser"} <= set(asked)
    assert os.environ["JUPYTER_PREFER_ENV_PATH"] == "1"
    assert CliRunner().invoke(app, ["lab", "--port", "70000"]).exit_code == 2


def test_an_installed_package_says_where_the_notebooks_are(monkeypatch, tmp_path):
    monkeypatch.setattr("r1aqa_helpers.cli.doctor.DATA", tmp_path / "data")
    result = CliRunner().invoke(app, ["lab"])
    assert result.exit_code == 1 and "clone the repository" in result.stderr
