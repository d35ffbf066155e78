"""The set-up cell: what it leaves alone, what it installs, and that a second call does nothing."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from r1aqa_helpers import colab
from r1aqa_helpers.colab import PAGE, TORCH, Pause, Plan, host_of, plan_for, torch_fits

ROOT = Path(__file__).resolve().parents[1]
SETUP = runpy.run_path(str(ROOT / "scripts" / "anatomy.py"))["SETUP"]
REQUIRED = {"torch": ">=2.11,<2.12", "torchaudio": ">=2.11,<2.12"}
REGISTRY_IS_DOWN = re.compile(r"dns error|error sending request|Failed to fetch")


def both(torch: str | None, audio: str | None = "same") -> dict[str, str | None]:
    return {"torch": torch, "torchaudio": torch if audio == "same" else audio}


def test_only_the_standard_library_is_needed():
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
        # Kaggle's image is built on Colab's, and has its variables too.
        ({"COLAB_RELEASE_TAG": "x", "KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, "kaggle"),
        ({"COLAB_RELEASE_TAG": "x", "KAGGLE_KERNEL_RUN_TYPE": "Batch"}, "kaggle batch"),
    ],
)
def test_the_environment_tells_the_host(environment, host):
    assert host_of(environment) == host


@pytest.mark.parametrize(
    ("there", "fits"),
    [
        (both("2.11"), True),
        (both("2.11.1+cu130", "2.11.0+cu130"), True),
        (both("2.11.0+cu128", "2.11.0+cpu"), False),
        (both("2.10.1+cu128"), False),
        (both("2.12.0"), False),
        (both("2.9.0", "2.11.0"), False),
        (both("2.11.0", None), False),
    ],
)
def test_torch_fits_if_in_range_and_built_like_torchaudio(there, fits):
    assert torch_fits(REQUIRED, there) is fits


def test_a_torch_that_fits_is_kept_and_another_is_replaced_by_one_for_the_driver():
    plan = plan_for("colab", REQUIRED, both("2.11.1+cu128"), gpu=True)
    said = ("torch 2.11.1+cu128 fits and is kept",)
    assert plan == Plan(PAGE + TORCH, said, ("--no-config",), ".[quantised]")
    assert plan_for("here", REQUIRED, both("2.11.0"), gpu=True).kept == TORCH
    plan = plan_for("colab", REQUIRED, both("2.9.0+cu126", None), gpu=True)
    assert (plan.kept, plan.options) == (PAGE, ("--no-config", "--torch-backend=auto"))
    assert "torch 2.9.0+cu126, torchaudio missing, which is replaced" in plan.lines[0]
    plan = plan_for("kaggle", REQUIRED, both("2.9.0"), gpu=False)
    assert (plan.options, plan.project) == (("--no-config",), ".")
    assert plan_for("here", REQUIRED, both(None), gpu=True) == Plan((), (), (), ".[quantised]")


def test_the_requirements_are_those_of_pyproject():
    required = colab._required()
    assert set(required) == set(TORCH)
    assert torch_fits(required, {name: colab._version(name) for name in TORCH})


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Plan], dict[str, str]]:
    """As if the package were not installed: the plans given to uv, and the installed versions."""
    plans, versions = [], {"numpy": "2.0.2", "rich": "14.1"}
    monkeypatch.setattr(colab, "_version", versions.get)
    monkeypatch.setattr(colab, "_loaded", lambda: dict(versions))

    def run(plan: Plan) -> None:
        plans.append(plan)
        versions[colab.NAME] = "0.1.0"

    monkeypatch.setattr(colab, "_run_uv", run)
    for name in ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    return plans, versions


def test_a_second_call_installs_nothing_and_without_replacements_nothing_restarts(bare, capsys):
    colab.install()
    assert capsys.readouterr().out.startswith("installing the course's packages")
    colab.install()
    assert len(bare[0]) == 1 and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("environment", "told", "restarts"),
    [
        ({}, "restart the kernel, and run this cell again; replaced: numpy 2.0.2 -> 2.4.6", 0),
        ({"COLAB_RELEASE_TAG": "x"}, "the kernel restarts; then run this cell again. Replaced", 1),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, None, 0),
    ],
)
def test_a_loaded_package_that_was_replaced_needs_a_restart(
    bare, monkeypatch, capsys, environment, told, restarts
):
    shut: list[bool] = []
    kernel = SimpleNamespace(do_shutdown=shut.append)
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=kernel))
    monkeypatch.setattr(colab, "_run_uv", lambda plan: bare[1].update(numpy="2.4.6"))
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


def test_a_failed_installation_shows_uvs_message():
    with pytest.raises(Pause, match="run this cell again .*\nno such host"):
        colab._run([sys.executable, "-c", "import sys; sys.exit('no such host')"])


def test_without_an_address_the_cell_says_in_a_sentence_what_to_do(tmp_path):
    """As on Colab, where the package is not there: one line, and no traceback."""
    code = f"""
from IPython.core.interactiveshell import InteractiveShell
import importlib.util
importlib.util.find_spec = lambda name: None
done = InteractiveShell.instance(colors="nocolor").run_cell({SETUP["hosted"]!r})
assert not done.success"""
    environment = {k: v for k, v in os.environ.items() if k != "R1AQA_REPOSITORY"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout == (
        "Upload the repository as the folder r1aqa, or put the address of your fork into "
        "REPOSITORY; then run this cell again.\n"
    ), done.stderr
    assert done.stderr == ""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python for one test, with nothing installed."""
    if not shutil.which("uv"):
        pytest.skip("uv is not installed here")
    folder = tmp_path / "venv"
    command = ["uv", "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)]
    subprocess.run(command, check=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.mark.slow
def test_the_cell_sets_up_a_clean_python_from_a_clone(python, tmp_path):
    """Asks the package registry for what uv's cache does not have."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    # The set-up of this working tree, which may be ahead of the last commit.
    shutil.copy(ROOT / "r1aqa_helpers" / "colab.py", source / "r1aqa_helpers" / "colab.py")
    git = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "commit", "--quiet", "--all", "--allow-empty", "-m", "x"], check=True)
    notebooks = tmp_path / "content"
    notebooks.mkdir()
    (notebooks / "cell.py").write_text(
        "\n".join([*SETUP.values(), "print(course.__file__)\n"]), encoding="utf-8"
    )
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("VIRTUAL_ENV", "PYTHON"))
    }
    environment |= {"R1AQA_REPOSITORY": str(source)}

    def run(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command, cwd=notebooks, env=environment, capture_output=True, text=True, timeout=900
        )

    done = run(str(python), "cell.py")
    if REGISTRY_IS_DOWN.search(done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr[-3000:]
    clone = notebooks / "r1aqa"
    said = done.stdout.splitlines()
    assert said[0].startswith("installing the course's packages")
    assert said[1:] == ["profile tiny, seed 0", str(clone / "r1aqa_helpers/course/__init__.py")]
    freeze = ("uv", "pip", "freeze", "--python", str(python))
    installed = run(*freeze).stdout
    assert f"-e {clone.as_uri()}" in installed
    pins = set(re.findall(r'"([\w.-]+==[\w.]+)[" ]', (ROOT / "pyproject.toml").read_text()))
    versions = [line for line in installed.splitlines() if "==" in line]
    assert len(versions) > 90 and [v for v in versions if v not in pins] == []
    done = run(str(python), "cell.py")
    assert done.returncode == 0 and done.stdout.splitlines() == said[1:], done.stderr[-3000:]
    assert run(*freeze).stdout == installed


@pytest.mark.slow
def test_kept_packages_are_neither_replaced_nor_installed(python, monkeypatch):
    """The command for Colab with a torch that fits, as a dry run."""
    commands = []

    def run(command: list[str]) -> None:
        where = command.index("--python") + 1
        dry = [*command[:where], str(python), *command[where + 1 :], "--dry-run"]
        dry.remove("--quiet")
        commands.append(subprocess.run(dry, cwd=ROOT, capture_output=True, text=True))

    monkeypatch.setattr(colab, "_run", run)
    colab._run_uv(plan_for("colab", REQUIRED, both("2.11.0+cu128"), gpu=True))
    [done] = commands
    if REGISTRY_IS_DOWN.search(done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr
    names = set(re.findall(r"^ \+ ([\w.-]+)", done.stderr, re.MULTILINE))
    assert {"transformers", "trl", "accelerate", "r1aqa-helpers", "bitsandbytes"} <= names
    assert not names & {*PAGE, *TORCH, "triton", "ipykernel", "tornado"}
    assert not [name for name in names if name.startswith("nvidia-")]


@pytest.mark.slow
def test_what_a_hosted_page_has_and_the_course_does_not_need_newer_stays(python, monkeypatch):
    """Versions that Colab's image of August 2026 had, beside those that the project pins."""
    kept = ["numpy==2.1.3", "pandas==2.2.3"]
    command = ["uv", "pip", "install", "--quiet", "--python", str(python), "--no-config", *kept]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if REGISTRY_IS_DOWN.search(done.stderr):
        pytest.skip("the package registry cannot be reached")
    assert done.returncode == 0, done.stderr

    def changed(host: str) -> str:
        seen = []

        def run(command: list[str]) -> None:
            where = command.index("--python") + 1
            dry = [*command[:where], str(python), *command[where + 1 :], "--dry-run"]
            dry.remove("--quiet")
            seen.append(subprocess.run(dry, cwd=ROOT, capture_output=True, text=True))

        monkeypatch.setattr(colab, "_run", run)
        colab._run_uv(plan_for(host, REQUIRED, both("2.11.0+cu128"), gpu=False))
        assert seen[0].returncode == 0, seen[0].stderr
        return seen[0].stderr

    on_page = changed("colab")
    assert " - numpy" not in on_page and " - pandas" not in on_page
    assert " + transformers==" in on_page
    assert " - numpy==2.1.3" in changed("here")
