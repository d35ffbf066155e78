"""`r1aqa lab`: the course's first notebook, and this very Python as its kernel."""

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.publishing.lab import FIRST, open_lab

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240
TOKEN = "a-token-of-the-test"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path, free_port):
    """The command's address, in a home where another kernel python3 is the user's own."""
    home = tmp_path / "home"
    mine = home / "data" / "kernels" / "python3"
    mine.mkdir(parents=True)
    spec = {"argv": ["other-python", "{connection_file}"], "display_name": "Mine", "language": "x"}
    (mine / "kernel.json").write_text(json.dumps(spec))
    shutil.copytree(mine, mine.with_name("another"))
    places = {"JUPYTER_DATA_DIR": "data", "JUPYTER_CONFIG_DIR": "config",
              "JUPYTER_RUNTIME_DIR": "runtime", "HOME": "."}  # fmt: skip
    environment = os.environ | {name: str(home / at) for name, at in places.items()}
    environment |= {"JUPYTER_TOKEN": TOKEN, "JUPYTER_PREFER_ENV_PATH": "0", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "r1aqa_helpers", "lab", "--port", str(free_port)]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--no-browser"], cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{free_port}"
    try:
        wait_for(address, process, tmp_path / "log")
        yield address, process, home
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + SECONDS
    while True:
        try:
            get(f"{address}/api")
            return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.3)


def get(url: str, data: bytes | None = None):
    request = urllib.request.Request(url, data, {"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = answer.read()
        kind = answer.headers.get_content_type()
        return answer.url, json.loads(body) if kind == "application/json" else body


def test_it_leads_to_the_first_notebook_with_this_python(server, tmp_path):
    address, process, home = server
    assert get(f"{address}/")[0] == f"{address}/lab/tree/{FIRST}"
    _, file = get(f"{address}/api/contents/{FIRST}?content=0")
    assert file["type"] == "notebook"
    _, kernels = get(f"{address}/api/kernelspecs")
    assert kernels["default"] == "python3"
    assert kernels["kernelspecs"]["python3"]["spec"]["argv"][0] == sys.executable
    assert kernels["kernelspecs"]["another"]["spec"]["display_name"] == "Mine"
    _, started = get(f"{address}/api/kernels", json.dumps({"name": "python3"}).encode())
    assert python_of(home / "runtime" / f"kernel-{started['id']}.json") == sys.executable
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) in (0, -signal.SIGTERM)
    own = home / "data" / "kernels" / "python3" / "kernel.json"
    assert json.loads(own.read_text())["display_name"] == "Mine"
    assert list(tmp_path.glob("r1aqa-kernel-*")) == []


def python_of(connection: Path) -> str:
    """The Python that runs the kernel of a connection file."""
    from jupyter_client import BlockingKernelClient

    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels()
    try:
        # In the reply, since what is printed is lost on those who listen too late.
        client.execute("import sys", user_expressions={"python": "sys.executable"})
        reply = client.get_shell_msg(timeout=SECONDS)["content"]
        return ast.literal_eval(reply["user_expressions"]["python"]["data"]["text/plain"])
    finally:
        client.stop_channels()


def test_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["lab", "--port", str(port), "--no-browser"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: --port {port}: ") and result.stderr.count("\n") == 1
    assert CliRunner().invoke(app, ["lab", "--port", "70000"]).exit_code == 2


def test_an_installed_package_says_where_the_notebooks_are(tmp_path):
    with pytest.raises(UserError, match="only its installed package; clone the repository"):
        open_lab(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with pytest.raises(UserError, match="is no clone of the project"):
        open_lab(tmp_path)
