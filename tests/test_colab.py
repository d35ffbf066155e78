"""The set-up cell: what it leaves alone, what it installs, and that doing it twice does nothing."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from r1aqa_helpers import colab
from r1aqa_helpers.colab import PAGE, TORCH, Pause, host_of, plan_for, torch_fits

ROOT = Path(__file__).resolve().parents[1]
SETUP = runpy.run_path(str(ROOT / "scripts" / "anatomy.py"))["SETUP"]
REQUIRED = {"torch": ">=2.11,<2.12", "torchaudio": ">=2.11,<2.12"}


def both(torch: str | None, audio: str | None = "same") -> dict[str, str | None]:
    return {"torch": torch, "torchaudio": torch if audio == "same" else audio}


def test_nothing_but_pythons_own_library_is_needed():
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import r1aqa_helpers.colab"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, "here"),
        ({"COLAB_RELEASE_TAG": "release-colab_20261101"}, "colab"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "kaggle"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, "kaggle batch"),
    ],
)
def test_the_host_is_told_by_its_environment(environment, host):
    assert host_of(environment) == host


@pytest.mark.parametrize(
    ("there", "fits"),
    [
        (both("2.11.0"), True),
        (both("2.11.0+cu128"), True),
        (both("2.11.1+cu130", "2.11.0+cu130"), True),
        (both("2.11"), True),
        (both("2.11.0+cu128", "2.11.0+cpu"), False),
        (both("2.11.0+cu128", "2.11.0"), False),
        (both("2.10.1+cu128"), False),
        (both("2.12.0"), False),
        (both("2.9.0", "2.11.0"), False),
        (both("2.11.0", None), False),
        (both(None), False),
    ],
)
def test_torch_fits_in_range_and_with_its_audio(there, fits):
    assert torch_fits(REQUIRED, there) is fits


def test_a_torch_that_fits_is_left_alone_and_the_page_of_a_host_too():
    plan = plan_for("colab", REQUIRED, both("2.11.1+cu128"), gpu=True)
    assert (plan.kept, plan.options) == (PAGE + TORCH, ())
    assert plan.lines == ("torch 2.11.1+cu128 fits and is kept",)
    assert plan_for("here", REQUIRED, both("2.11.0"), gpu=True).kept == TORCH


def test_another_torch_is_replaced_by_one_for_the_driver_and_that_is_said():
    plan = plan_for("colab", REQUIRED, both("2.9.0+cu126"), gpu=True)
    assert (plan.kept, plan.options) == (PAGE, ("--torch-backend=auto",))
    assert "torch 2.9.0+cu126" in plan.lines[0] and "is replaced" in plan.lines[0]
    lines = plan_for("kaggle", REQUIRED, both("2.11.0", None), False).lines
    assert "torchaudio missing" in lines[0]
    assert plan_for("kaggle", REQUIRED, both("2.9.0"), gpu=False).options == ()
    assert plan_for("here", REQUIRED, both(None), gpu=True) == colab.Plan((), (), ())


def test_what_is_required_is_pyprojects():
    required = colab._required()
    assert set(required) == set(TORCH)
    assert torch_fits(required, {name: colab._version(name) for name in TORCH})


@pytest.fixture
def bare(monkeypatch):
    """As if the package were not installed; what uv was asked for, and versions that it brings."""
    asked, versions = [], {"numpy": "2.0.2", "rich": "14.1"}
    monkeypatch.setattr(colab, "_version", lambda name: versions.get(name))
    monkeypatch.setattr(colab, "_loaded", lambda: dict(versions))

    def run(plan):
        asked.append(plan)
        versions[colab.NAME] = "0.1.0"

    monkeypatch.setattr(colab, "_run_uv", run)
    for name in ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    return asked, versions, run


def test_twice_installs_once_and_restarts_nothing_that_was_not_replaced(bare, capsys):
    asked, _, _ = bare
    colab.install()
    assert (
        capsys.readouterr().out == "installing the course's packages: minutes, once in a session\n"
    )
    colab.install()
    assert len(asked) == 1 and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("environment", "told", "restarts"),
    [
        ({}, "restart the kernel, and run this cell again; replaced: numpy 2.0.2 -> 2.4.6", 0),
        ({"COLAB_RELEASE_TAG": "x"}, "the kernel restarts; then run this cell again. Replaced", 1),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "the kernel restarts", 1),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, None, 0),
    ],
)
def test_a_package_that_was_loaded_and_replaced_restarts(
    bare, monkeypatch, capsys, environment, told, restarts
):
    _, versions, run = bare
    shut = []

    class Kernel:
        def do_shutdown(self, restart):
            shut.append(restart)

    class Shell:
        kernel = Kernel()

    def replacing(plan):
        run(plan)
        versions["numpy"] = "2.4.6"

    monkeypatch.setattr(colab, "_run_uv", replacing)
    monkeypatch.setattr("IPython.get_ipython", Shell)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if told is None:
        colab.install()
        assert "replaced after it was loaded: numpy 2.0.2 -> 2.4.6" in capsys.readouterr().out
    else:
        with pytest.raises(Pause, match=told) as pause:
            colab.install()
        assert pause.value._render_traceback_() == [str(pause.value)]
        assert "rich" not in str(pause.value)
    assert shut == [True] * restarts


def test_a_failed_installation_says_what_uv_said():
    with pytest.raises(
        Pause, match="the installation failed; run this cell again .*\nno such host"
    ):
        colab._run([sys.executable, "-c", "import sys; sys.exit('no such host')"])


def test_without_an_address_the_cell_says_what_to_write(tmp_path):
    cell = re.sub('^REPOSITORY = ".*?"', 'REPOSITORY = ""', SETUP, flags=re.MULTILINE)
    environment = {k: v for k, v in os.environ.items() if k != "R1AQA_REPOSITORY"}
    command = [sys.executable, "-I", "-S", "-c", cell]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "AssertionError: write the course's git address into REPOSITORY" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """A Python of its own, with nothing installed."""
    if not shutil.which("uv"):
        pytest.skip("uv is not installed here")
    folder = tmp_path_factory.mktemp("clean") / "venv"
    command = ["uv", "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)]
    subprocess.run(command, check=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def freeze(python: Path) -> str:
    command = ["uv", "pip", "freeze", "--python", str(python)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_the_cell_sets_up_a_clean_python_from_a_clone(python, tmp_path):
    """Asks the package registry for what uv's cache does not have."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    # The set-up of this working tree, which may be ahead of the last commit.
    module = Path("r1aqa_helpers", "colab.py")
    shutil.copy(ROOT / module, source / module)
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "commit", "--quiet", "--all", "--allow-empty", "-m", "x"], check=True)
    notebooks = tmp_path / "content"
    notebooks.mkdir()
    (notebooks / "cell.py").write_text(SETUP + "\nprint(course.__file__)\n", encoding="utf-8")
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("VIRTUAL_ENV", "PYTHON"))
    }
    environment |= {"R1AQA_REPOSITORY": str(source)}

    def run() -> subprocess.CompletedProcess:
        command = [str(python), "cell.py"]
        return subprocess.run(
            command, cwd=notebooks, env=environment, capture_output=True, text=True, timeout=900
        )

    done = run()
    if re.search(r"dns error|error sending request|Failed to fetch", done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr[-3000:]
    clone = notebooks / "r1aqa"
    said = done.stdout.splitlines()
    assert said[0] == "installing the course's packages: minutes, once in a session"
    assert said[1:] == ["profile tiny, seed 0", str(clone / "r1aqa_helpers/course/__init__.py")]
    installed = freeze(python)
    assert f"-e {clone.as_uri()}" in installed
    pins = set(re.findall(r'"([\w.-]+==[\w.]+)[" ]', (ROOT / "pyproject.toml").read_text()))
    versions = [line for line in installed.splitlines() if "==" in line]
    assert len(versions) > 90 and [v for v in versions if v not in pins] == []
    done = run()
    assert done.returncode == 0 and done.stdout.splitlines() == said[1:], done.stderr[-3000:]
    assert freeze(python) == installed


@pytest.mark.slow
def test_what_is_left_alone_is_neither_replaced_nor_installed(python, monkeypatch):
    """The very command, as a dry run: on Colab, with a torch that fits."""
    plan = plan_for("colab", REQUIRED, both("2.11.0+cu128"), gpu=True)
    commands = []

    def run(command):
        where = command.index("--python") + 1
        dry = [*command[:where], str(python), *command[where + 1 :], "--dry-run", "--reinstall"]
        dry.remove("--quiet")
        done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True)
        commands.append(done)

    monkeypatch.setattr(colab, "_run", run)
    colab._run_uv(plan)
    [done] = commands
    if re.search(r"dns error|error sending request|Failed to fetch", done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
    names = set(re.findall(r"^ \+ ([\w.-]+)", done.stderr, re.MULTILINE))
    assert {"transformers", "trl", "accelerate", "r1aqa-helpers"} <= names
    assert not names & {*PAGE, *TORCH, "triton", "ipykernel", "tornado"}
    assert not [name for name in names if name.startswith("nvidia-")]
