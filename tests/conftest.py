"""What several test files need: random models, questions with clips, records, servers."""

import os
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run, and no limit of time for each: other work may slow one down.
settings.register_profile("tests", derandomize=True, deadline=None)
settings.load_profile("tests")

# Before torch is imported: workers that all take every core slow one another down.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from r1aqa_helpers.data import AudioQuestion, write_avqa, write_mmau  # noqa: E402
from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio  # noqa: E402
from r1aqa_helpers.hardware import Profile  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from r1aqa_helpers.models import LoadedModel

ROOT = Path(__file__).resolve().parents[1]
CHOICES = ("dog", "cat", "car", "bell")
TASKS = ("sound", "music", "speech")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session", autouse=True)
def no_library_bars() -> None:
    """As on the command line where there is no terminal: no bars of transformers' own."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def random_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained miniature; read only."""
    from r1aqa_helpers.models import LoadedModel, save
    from r1aqa_helpers.tiny.build import random_tiny

    folder = tmp_path_factory.mktemp("models") / "random model"
    save(LoadedModel(*random_tiny(0), "random"), folder)
    return folder


@pytest.fixture(scope="session")
def true_shapes_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model of the 7B model's shape rules and vocabulary (`true_shapes`); read only.

    For slow tests: it asks the package registry for what uv's cache does not have.
    """
    from true_shapes import VOCABULARY, install, write_model

    place = tmp_path_factory.mktemp("true shapes")
    if why_not := install(VOCABULARY, place / "package"):
        pytest.skip(f"{VOCABULARY} cannot be had: {why_not}")
    write_model(place / "model", place / "package" / "dashscope" / "resources" / "qwen.tiktoken")
    return place / "model"


#: Of Colab's image: what displays, a page that shows it, and what they import and is not here.
DISPLAY = ("ipython", "ipywidgets", "backcall", "decorator", "ipython-genutils", "pickleshare",
           "ipykernel", "nbclassic", "nest-asyncio", "widgetsnbextension")  # fmt: skip


@pytest.fixture(scope="session")
def colab_display(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the IPython and ipywidgets of Colab's image, to be put before those of this Python.

    And of the classic notebook, which shows these ipywidgets, in ``etc`` and ``share`` too.

    For slow tests: it asks the package registry for what uv's cache does not have.
    """
    if (uv := shutil.which("uv")) is None:
        pytest.skip("uv is not installed")
    image = (ROOT / "scripts" / "colab_image.txt").read_text(encoding="utf-8").splitlines()
    packages = [line for line in image if line.partition("==")[0] in DISPLAY]
    folder = tmp_path_factory.mktemp("colab display")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
    # Not from the repository, whose pinned versions uv would take for constraints.
    command = [*install, "--target", str(folder), *packages]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        pytest.skip(f"the packages cannot be installed: {done.stderr.strip()[-200:]}")
    return folder


@pytest.fixture(scope="session")
def random_profile(random_model_dir: Path) -> Profile:
    """Asks the untrained miniature, on the CPU, for answers of a few tokens."""
    return Profile(
        name="test",
        model=str(random_model_dir),
        device="cpu",
        dtype="float32",
        eval_tokens=1000,
        max_new_tokens=4,
    )


@pytest.fixture(scope="session")
def small_trainings() -> Callable[..., Profile]:
    """Makes a profile's trainings small: two questions a step, two answers of four tokens each."""

    def make(profile: Profile, steps: int = 2) -> Profile:
        few = {"steps": steps, "save_every": 1}
        sft = dict.fromkeys(("batch_size", "rows_per_forward"), 2)
        grpo = dict.fromkeys(("prompts_per_step", "prompts_per_forward", "group_size"), 2)
        return replace(
            profile,
            sft={**profile.sft, **few, **sft},
            grpo={**profile.grpo, **few, **grpo, "max_completion": 4},
        )

    return make


@pytest.fixture
def loaded() -> "LoadedModel":
    """An untrained miniature, to be trained or spoilt."""
    from r1aqa_helpers.models import LoadedModel
    from r1aqa_helpers.tiny.build import random_tiny

    return LoadedModel(*random_tiny(0), "random")


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many clips go through the audio encoder, call by call."""
    from r1aqa_helpers.models import audio_embedding

    counts, compute = [], audio_embedding.audio_states

    def counting(encoder, input_features, frames):
        counts.append(len(input_features))
        return compute(encoder, input_features, frames)

    monkeypatch.setattr(audio_embedding, "audio_states", counting)
    return counts


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a dozen questions of tiny-mmau, of all tasks."""
    from r1aqa_helpers.data import read_questions
    from r1aqa_helpers.tiny.data import prepare

    test = read_questions(prepare().test)
    picked = [q for task in TASKS for q in test if q.task == task][::84]
    path = tmp_path_factory.mktemp("few") / "test.json"
    write_mmau(path, picked[:12])
    return path


@pytest.fixture(scope="module")
def lively() -> "LoadedModel":
    """An untrained miniature, its weights scaled up: clips and texts lead to different answers."""
    import torch

    from r1aqa_helpers.models import LoadedModel
    from r1aqa_helpers.tiny.build import random_tiny

    model, processor = random_tiny(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(8)
    return LoadedModel(model, processor, "random")


@pytest.fixture(scope="session")
def yes_questions() -> list[AudioQuestion]:
    """Sixty questions, of each task in turn, to which the answer is yes."""
    return [
        AudioQuestion(f"q{i}", Path(f"{i}.wav"), "?", ("yes", "no"), "yes", task=TASKS[i % 3])
        for i in range(60)
    ]


@pytest.fixture(scope="session")
def run_record(yes_questions: list[AudioQuestion]) -> Callable[..., dict]:
    """Makes the record of a run of the experiment: so many correct answers, None: not tested."""
    from r1aqa_helpers.experiments.records import score_record
    from r1aqa_helpers.scoring import score

    def scored(correct: int, shift: int = 0) -> dict:
        answers = ("yes" if (i + shift) % 60 < correct else "no" for i in range(60))
        said = {q.id: answer for q, answer in zip(yes_questions, answers, strict=True)}
        return score_record(score(yes_questions, said), wall=2.0, cpu=3.0)

    def make(method: str, seed: int, correct: int | None, lr: float = 1e-4, regime: str = "table"):
        traits = {"loss": [1.0] * 10}
        if method.startswith("grpo"):
            traits |= {"accuracy": [0.1 * seed] * 10, "format": [None] * 9 + [1.0]}
        made = {
            "regime": regime, "method": method, "seed": seed, "lr": lr, "hardware": "a machine",
            "training": {"wall_seconds": 60.0, "cpu_seconds": 100.0}, "traits": traits,
            "validation": scored(30), "questions": {"train": "a", "validation": "b"},
            "date": f"2026-11-2{seed}",
        }  # fmt: skip
        if correct is not None:
            made["test"] = scored(correct, shift=seed)
            made["questions"]["test"] = "c"
        return made

    return make


@pytest.fixture(scope="session")
def python_with() -> Callable[[str], list[str]]:
    """Returns a Python that has one more package, in the pinned version, or skips the test."""

    def command(name: str) -> list[str]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        pins = project["tool"]["uv"]["constraint-dependencies"]
        (pin,) = (pin for pin in pins if pin.startswith(f"{name}=="))
        if shutil.which("uv") is None:
            pytest.skip(f"uv, which would bring {pin}, is not installed")
        python = ["uv", "run", "--no-sync", "--with", pin, "python"]
        done = subprocess.run([*python, "-c", ""], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{pin} cannot be had: {done.stderr.strip()[-200:]}")
        return python

    return command


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Returns a port of this machine that nothing listens on."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., None]:
    """Waits until a process that was started answers at an address; fails with its log if not."""

    def wait(process: subprocess.Popen, url: str, log: Path, seconds: float = 240) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            try:
                opener.open(url, timeout=5).close()
                return
            except OSError:
                time.sleep(0.2)
        pytest.fail(f"no answer at {url}:\n{log.read_text(errors='replace')[-2000:]}")

    return wait


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A browser without a window; the test is skipped where none is installed.

    It ends with the module: while it is open, its event loop takes up the thread of the tests,
    in which then neither a second browser nor `asyncio.run` can start.
    """
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory, free_port, wait_for) -> Callable[[Path], AbstractContextManager[str]]:
    """Starts `transformers serve` with a checkpoint: its address; stopped in every case.

    The server decodes recordings with soundfile, and wants soxr beside it to resample them.
    """
    if missing := [name for name in ("fastapi", "uvicorn", "soxr") if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    run = "import sys; from transformers.cli.transformers import main; sys.exit(main())"

    @contextmanager
    def started(checkpoint: Path) -> Iterator[str]:
        port = free_port()
        log = tmp_path_factory.mktemp("log") / "serve.txt"
        command = [sys.executable, "-c", run, "serve", str(checkpoint), "--host", "127.0.0.1",
                   "--port", str(port), "--device", "cpu", "--dtype", "float32"]  # fmt: skip
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, env={**os.environ, **offline}, stdout=stream, stderr=subprocess.STDOUT
            )
            try:
                wait_for(process, f"http://127.0.0.1:{port}/health", log)
                yield f"http://127.0.0.1:{port}/v1"
            finally:
                process.terminate()
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    return started


@pytest.fixture(scope="session")
def make_questions(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Path]]:
    """Writes ``n`` clips of half a second, and questions about them, to a new folder.

    Returns the path of the training lines (AVQA) and that of the test file (MMAU), whose
    questions go through the three tasks.
    """

    def make(n: int = 6) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("questions")
        questions = []
        for number in range(n):
            time = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
            wave = 0.3 * np.sin(2 * np.pi * 200 * (number + 1) * time)
            audio = folder / "clips" / f"{number}.wav"
            audio.parent.mkdir(exist_ok=True)
            save_audio(audio, wave.astype(np.float32))
            questions.append(
                AudioQuestion(
                    id=f"q{number}",
                    audio=audio,
                    question=f"What makes sound {number}?",
                    choices=CHOICES,
                    answer=CHOICES[number % 4],
                    task=TASKS[number % 3],
                    difficulty="easy",
                    dataset="made",
                    split="test",
                )
            )
        train, test = folder / "train.jsonl", folder / "test.json"
        write_avqa(train, questions)
        write_mmau(test, questions)
        return train, test

    return make
