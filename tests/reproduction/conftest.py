"""The bands that the experiment states, and the shipped commands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.experiments.bands import Bands, read_bands
from r1aqa_helpers.experiments.methods import GRPO, SFT, method_settings
from r1aqa_helpers.experiments.records import mean_loss, questions_digest
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.models import load, weights_fingerprint
from r1aqa_helpers.scoring import read_predictions, score
from r1aqa_helpers.tiny.data import MODEL, TinyData, prepare


@pytest.fixture(scope="session")
def data() -> TinyData:
    return prepare()


@pytest.fixture(scope="session")
def bands(data) -> dict[str, Bands]:
    """By name of the method: of the shipped base, on all test questions, with the profile."""
    settings = {method: method_settings(method, TINY_PROFILE) for method in (SFT, GRPO)}
    model = weights_fingerprint(load(MODEL, device="cpu", dtype="float32"))
    asked = questions_digest(read_questions(data.test))
    found = read_bands(TINY_PROFILE, model, asked, settings)
    return {method.name: held for method, held in found.items()}


@pytest.fixture(scope="session")
def command() -> Callable[..., None]:
    """Runs ``r1aqa``, as it is shipped; the test fails with what it printed."""

    def run(*arguments: object) -> None:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output

    return run


@pytest.fixture(scope="session")
def accuracy(data, command) -> Callable[[Path, int, Path], float]:
    """Percent of the test questions, or of others in a file, that a model answers correctly."""

    def measure(model: Path, prompt: int, out: Path, questions: Path = data.test) -> float:
        place = ("--model", model, "--questions", questions, "--out", out)
        command("evaluate", *place, "--profile", "tiny", "--prompt", prompt)
        return score(read_questions(questions), read_predictions(out)).average

    return measure


@pytest.fixture
def retrained(data, bands, command, accuracy, tmp_path) -> Callable[[str], dict[str, Any]]:
    """Trains and asks the method of that name again; what came out beside its bands."""

    def measure(name: str) -> dict[str, Any]:
        run = tmp_path / name
        command("train", name, "--questions", data.train, "--profile", "tiny", "--out", run)
        found = accuracy(run / "model", 2, tmp_path / "predictions.json")
        return {"accuracy": found, **bands[name].against(found, mean_loss(run))}

    return measure
