"""The main job: from a base model to the table, reported beside measured.

Its folder (each part appears whole, so that a run may be interrupted anywhere)::

    OUT/run.json              whose folder it is: profile, settings, seed, model, questions
    OUT/direct-1/  OUT/direct-2/  OUT/zero-shot-cot/
                              journal.jsonl (answers as they come), predictions.json
    OUT/sft/  OUT/grpo/       the same, and what `training` keeps there
    OUT/results.json  OUT/report.html  OUT/metrics.jsonl  OUT/rollouts.jsonl
"""

import gc
import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from r1aqa_helpers.answering import Prediction, answer_questions, write_predictions
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_bytes, read_journal, shown, write_bytes, write_json
from r1aqa_helpers.grpo.train import GRPOSettings, train_grpo
from r1aqa_helpers.models import (
    LoadedModel,
    add_results,
    listening_check,
    load,
    weights_fingerprint,
)
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.profiles import Profile, hardware
from r1aqa_helpers.questions import AudioQuestion, read_questions
from r1aqa_helpers.report import Answer, Clip, choose_clips, write_report
from r1aqa_helpers.results import (
    MeasuredRow,
    comparison,
    load_published,
    measured_row,
    print_tables,
)
from r1aqa_helpers.run_folder import check_writable, claim
from r1aqa_helpers.scoring import Score, score
from r1aqa_helpers.sft import SFTSettings, train_sft

#: What GRPO must gain over direct inference, in percentage points, and at which p.
LEAST_GAIN, LARGEST_P = 10.0, 0.001


@dataclass(frozen=True)
class Method:
    """A row of the table: how the model was trained, and with which prompt it is asked."""

    name: str
    prompt: int
    folder: str

    @property
    def label(self) -> str:
        """With the paper's way of writing a prompt."""
        return f"{self.name} <{self.prompt}>"


DIRECT_1 = Method("direct", 1, "direct-1")
DIRECT_2 = Method("direct", 2, "direct-2")
ZERO_SHOT = Method("zero-shot-cot", 3, "zero-shot-cot")
SFT = Method("sft", 2, "sft")
GRPO = Method("grpo", 2, "grpo")
METHODS = (DIRECT_1, DIRECT_2, ZERO_SHOT, SFT, GRPO)

#: Paired tests. Direct inference with GRPO's own prompt comes first; the other prompt's row is
#: tested as well, so that GRPO is not measured against the weaker of the two alone.
PAIRS = ((GRPO, DIRECT_2), (GRPO, DIRECT_1), (GRPO, SFT))


@dataclass(frozen=True)
class Measurement:
    """What one method did on the test questions."""

    predictions: tuple[Prediction, ...]
    score: Score
    row: MeasuredRow
    train_seconds: float | None
    """Of its training steps; None where nothing was trained."""

    def as_dict(self) -> dict[str, Any]:
        """The row as ``results.json`` has it."""
        extra = {} if self.train_seconds is None else {"train_seconds": self.train_seconds}
        return {**self.row.as_dict(), **extra}


class _OutOfTime(Exception):
    """The minutes are over; all that was done is kept."""


class _Clock:
    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    @property
    def minutes_left(self) -> float | None:
        """None without a limit."""
        return None if self._end is None else (self._end - time.monotonic()) / 60

    def check(self) -> None:
        """Raise ``_OutOfTime`` where none are left."""
        if self._end is not None and time.monotonic() >= self._end:
            raise _OutOfTime


def reproduce(
    profile: Profile,
    out: Path,
    seed: int = 0,
    minutes: float | None = None,
    console: Console | None = None,
) -> dict[str, Any] | None:
    """Run every method of ``METHODS`` on the profile's questions, and compare them.

    Interrupted anywhere, the same call goes on. With ``minutes`` it stops by itself, at the
    first training step or method boundary after so many, and the same call goes on, too.

    Returns:
        The content of ``results.json``; None where the minutes ended before.

    Raises:
        UserError: something in the way that the user can mend; or, with all results written,
            GRPO did not beat direct inference, with either prompt, by ``LEAST_GAIN`` points at
            p < ``LARGEST_P``.
    """
    console = console or Console()
    clock = _Clock(minutes)
    check_writable(out)
    sft = SFTSettings(**{**profile.sft, "prompt": SFT.prompt, "seed": seed})
    grpo = GRPOSettings(**{**profile.grpo, "prompt": GRPO.prompt, "seed": seed})
    claim(out, {"profile": profile.name, "seed": seed, "settings": _settings(profile)})
    run = _Run(profile, out, clock, console, *_questions(profile))
    try:
        measured = run.base_rows()
        measured[SFT] = run.trained_row(SFT, train_sft, sft)
        measured[GRPO] = run.trained_row(GRPO, train_grpo, grpo)
    except _OutOfTime:
        run.say(f"{minutes:g} minutes are over; the same command goes on from here.")
        return None
    results = _results(profile, seed, measured)
    _write(out, results, run.test, measured, seed)
    print_tables(
        console,
        load_published(),
        [measured[method].row for method in METHODS],
        [
            {**test, "a": a.label, "b": b.label}
            for test, (a, b) in zip(results["comparisons"], PAIRS, strict=True)
        ],
    )
    run.say(f"Results in {shown(out)}: results.json, report.html")
    check_gain(results["comparisons"])
    return results


def check_gain(comparisons: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``UserError`` unless GRPO beat every direct row by enough."""
    for test in comparisons:
        if (test["a"], test["b"]) != (GRPO.name, DIRECT_2.name):
            continue
        if not (test["difference"] >= LEAST_GAIN and test["mcnemar_p"] < LARGEST_P):
            raise UserError(
                f"GRPO did not beat direct inference with prompt <{test['b_prompt']}> by"
                f" {LEAST_GAIN:g} points at p < {LARGEST_P:g}: {test['difference']:+.1f} points,"
                f" p = {test['mcnemar_p']:.2g}; all results are written, see report.html"
            )


class _Run:
    """The parts of one run that use the model."""

    def __init__(
        self,
        profile: Profile,
        out: Path,
        clock: _Clock,
        console: Console,
        train: Sequence[AudioQuestion],
        test: Sequence[AudioQuestion],
    ) -> None:
        self.profile, self.out, self.clock, self.console = profile, out, clock, console
        self.train, self.test = train, test

    def base_rows(self) -> dict[Method, Measurement]:
        """The rows of the untrained model."""
        loaded = self._load(self.profile.model)
        claim(
            self.out,
            {
                "model": weights_fingerprint(loaded),
                "train": _digest(self.train),
                "test": _digest(self.test),
            },
        )
        report = listening_check(loaded, self.test)
        self.say(
            f"Listening check: silence moves the choices by {report.change:.3f} nats per token."
        )
        return {m: self._measure(m, loaded) for m in METHODS if m not in (SFT, GRPO)}

    def trained_row(self, method: Method, train: Any, settings: Any) -> Measurement:
        """The row of a method that trains; ``train`` is ``train_sft`` or ``train_grpo``."""
        folder = self.out / method.folder
        model, loaded = folder / "model", None
        # A model of fewer steps was written when the minutes ended, and is to be trained on.
        if not model.is_dir() or _steps(folder) < settings.steps:
            self.clock.check()
            shutil.rmtree(model, ignore_errors=True)
            self.say(f"{method.label}: {settings.steps} steps of training.")
            limited = _with_minutes(settings, self.clock.minutes_left)
            train(self._load(self.profile.model), self.train, limited, folder)
            if _steps(folder) < settings.steps:
                shutil.rmtree(model)
                raise _OutOfTime
        loaded = self._load(str(model))
        listening_check(loaded, self.test)
        seconds = sum(row["seconds"] for row in read_journal(folder / "metrics.jsonl"))
        return self._measure(method, loaded, seconds)

    def _measure(
        self, method: Method, loaded: LoadedModel, train_seconds: float | None = None
    ) -> Measurement:
        self.clock.check()
        folder = self.out / method.folder
        self.say(f"{method.label}: {len(self.test)} questions.")
        predictions = answer_questions(
            loaded,
            self.test,
            prompt=method.prompt,
            batch_tokens=self.profile.eval_tokens,
            max_new_tokens=self.profile.max_new_tokens,
            journal=folder / "journal.jsonl",
        )
        write_predictions(folder / "predictions.json", self.test, predictions)
        result = score(self.test, {p.id: p.answer for p in predictions})
        row = measured_row(method.name, method.prompt, result, sum(p.seconds for p in predictions))
        self.say(f"{method.label}: {result.average:.1f} % right.")
        return Measurement(tuple(predictions), result, row, train_seconds)

    def _load(self, model: str) -> LoadedModel:
        # A trainer's reference cycles may still hold the model before.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        loaded = load(model, device=self.profile.device, dtype=self.profile.dtype)
        if Path(model).is_relative_to(self.out):
            # So that a run's folder may be moved between two of its parts.
            loaded.name = str(Path(model).relative_to(self.out))
        return loaded

    def say(self, text: str) -> None:
        """Print a line as it stands."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def _questions(profile: Profile) -> tuple[list[AudioQuestion], list[AudioQuestion]]:
    """Training and test questions, all with gold answers."""
    train, test = profile.train, profile.test
    if train is None and test is None and profile.tiny_questions:
        from r1aqa_helpers.tiny.data import prepare

        data = prepare()
        train, test = data.train, data.test
    if train is None or test is None:
        raise UserError(
            f"profile {profile.name}: give a file of training and one of test questions,"
            " --train and --test"
        )
    asked = read_questions(test, profile.audio_dir)
    score(asked, {})  # finds a question without a gold answer now, not after hours of work
    return read_questions(train, profile.audio_dir), asked


def _settings(profile: Profile) -> dict[str, Any]:
    """What must be the same when a run goes on: no paths, for folders may move."""
    places = ("name", "model", "train", "test", "audio_dir")
    return {name: v for name, v in profile.as_dict().items() if name not in places}


def _with_minutes(settings: Any, minutes: float | None) -> Any:
    return settings if minutes is None else replace(settings, minutes=minutes)


def _steps(folder: Path) -> int:
    """Steps that the training in ``folder`` has made."""
    rows = read_journal(folder / "metrics.jsonl")
    return rows[-1]["step"] if rows else 0


def _digest(questions: Sequence[AudioQuestion]) -> str:
    asked = [(q.id, q.question, q.choices, q.answer) for q in questions]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def _results(profile: Profile, seed: int, measured: Mapping[Method, Measurement]) -> dict[str, Any]:
    """What ``results.json`` holds."""
    return {
        "profile": profile.name,
        "seed": seed,
        "hardware": hardware(),
        "n": measured[GRPO].score.n,
        "rows": [measured[method].as_dict() for method in METHODS],
        "comparisons": [
            {
                **comparison(a.name, b.name, measured[a].score, measured[b].score),
                "a_prompt": a.prompt,
                "b_prompt": b.prompt,
            }
            for a, b in PAIRS
        ],
        "model": _place(profile.model),
        "settings": _settings(profile),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
    }


def _place(model: str) -> str:
    """A model of this project by its place in it, so that results name no machine's folders."""
    root = DATA.parent
    return str(Path(model).relative_to(root)) if Path(model).is_relative_to(root) else model


def _write(
    out: Path,
    results: dict[str, Any],
    test: Sequence[AudioQuestion],
    measured: Mapping[Method, Measurement],
    seed: int,
) -> None:
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        write_bytes(out / name, read_bytes(out / GRPO.folder / name))
    right = {q.id: bool(measured[GRPO].score.matches[q.id]) for q in test}
    said = {
        method.label: (
            {p.id: p.response for p in measurement.predictions},
            measurement.score.matches,
        )
        for method, measurement in measured.items()
    }
    clips = [
        Clip(
            question,
            tuple(
                Answer(label, responses[question.id], bool(matches[question.id]))
                for label, (responses, matches) in said.items()
            ),
        )
        for question in choose_clips(test, right, seed)
    ]
    write_report(
        out / "report.html",
        results,
        load_published(),
        grpo=read_journal(out / GRPO.folder / "metrics.jsonl"),
        sft=read_journal(out / SFT.folder / "metrics.jsonl"),
        clips=clips,
    )
    for method in (SFT, GRPO):
        for name in ("model", "adapter"):
            with suppress(UserError):  # no adapter; or a card that somebody wrote anew
                add_results(out / method.folder / name, results)
    write_json(out / "results.json", results)
