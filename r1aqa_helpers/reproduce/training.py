"""The main job: from a base model to the table, reported beside measured.

Its folder (each part appears whole, so that a run may be interrupted anywhere)::

    OUT/run.json              whose folder it is: profile, settings, seed, model, questions
    OUT/direct-1/  OUT/direct-2/  OUT/zero-shot-cot/
                              journal.jsonl (answers as they come), predictions.json, and which
                              questions they answer (predictions.json.about.json)
    OUT/sft/  OUT/grpo/       the same, and what `training` keeps there
    OUT/results.json  OUT/report.html  OUT/metrics.jsonl  OUT/rollouts.jsonl
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_bytes, read_journal, shown, write_bytes, write_json
from r1aqa_helpers.grpo.train import GRPOSettings, train_grpo
from r1aqa_helpers.models import hearing_check, weights_fingerprint
from r1aqa_helpers.models.lora import describe_trained
from r1aqa_helpers.paths import place
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.questions import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.results import load_published, print_tables
from r1aqa_helpers.results.card_results import add_results
from r1aqa_helpers.run_folder import check_writable, claim
from r1aqa_helpers.scoring import score
from r1aqa_helpers.sft import SFTSettings, train_sft

from .methods import BASE, DIRECT_1, DIRECT_2, GRPO, SFT, Measurement, Method
from .run import Clock, OutOfTime, Run
from .writing import report, table

#: What GRPO must gain over direct inference, in percentage points, and at which p.
LEAST_GAIN, LARGEST_P = 10.0, 0.001


METHODS = (*BASE, SFT, GRPO)

#: Paired tests. Direct inference with GRPO's own prompt comes first; the other prompt's row is
#: tested as well, so that GRPO is not measured against the weaker of the two alone.
PAIRS = ((GRPO, DIRECT_2), (GRPO, DIRECT_1), (GRPO, SFT))


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
    check_writable(out)
    sft = SFTSettings(**{**profile.sft, "prompt": SFT.prompt, "seed": seed})
    grpo = GRPOSettings(**{**profile.grpo, "prompt": GRPO.prompt, "seed": seed})
    claim(out, {"profile": profile.name, "seed": seed, "settings": _settings(profile)})
    run = _TrainingRun(profile, out, Clock(minutes), console, *_questions(profile))
    try:
        measured = run.base_rows()
        measured[SFT] = run.trained_row(SFT, train_sft, sft)
        measured[GRPO] = run.trained_row(GRPO, train_grpo, grpo)
    except OutOfTime:
        run.say(f"{minutes:g} minutes are over; the same command goes on from here.")
        return None
    results = {
        **table(run, seed, measured, PAIRS),
        "model": place(profile.model),
        "settings": _settings(profile),
    }
    _write(run, results, measured, seed)
    print_tables(
        console,
        load_published(),
        [measured[method].row for method in METHODS],
        results["comparisons"],
        run.test_set,
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


@dataclass
class _TrainingRun(Run):
    """A run that trains, too."""

    train: Sequence[AudioQuestion]

    def base_rows(self) -> dict[Method, Measurement]:
        """The rows of the untrained model."""
        loaded = self.load(self.profile.model)
        claim(
            self.out,
            {
                "model": weights_fingerprint(loaded),
                "train": _digest(self.train),
                "test": _digest(self.test),
            },
        )
        self.listen(loaded)
        return {method: self.answer(method, loaded) for method in BASE}

    def trained_row(self, method: Method, train: Any, settings: Any) -> Measurement:
        """The row of a method that trains; ``train`` is ``train_sft`` or ``train_grpo``."""
        folder = self.out / method.folder
        model = folder / "model"
        # A model of fewer steps was written when the minutes ended, and is to be trained on.
        if not model.is_dir() or _steps(folder) < settings.steps:
            self.clock.check()
            shutil.rmtree(model, ignore_errors=True)
            loaded = self.load(self.profile.model)
            what = describe_trained(loaded.model, settings.lora_rank, settings.tower_frozen)
            self.say(f"{method.label}: {settings.steps} steps, training {what}.")
            limited = _with_minutes(settings, self.clock.minutes_left)
            train(loaded, self.train, limited, folder)
            del loaded  # two models at once may be more than a GPU holds
            if _steps(folder) < settings.steps:
                shutil.rmtree(model)
                raise OutOfTime
        loaded = self.load(str(model))
        hearing_check(loaded, self.test)
        seconds = sum(row["seconds"] for row in read_journal(folder / "metrics.jsonl"))
        return self.answer(method, loaded, seconds)


def _questions(
    profile: Profile,
) -> tuple[list[AudioQuestion], QuestionSet, list[AudioQuestion]]:
    """The test's questions, all with gold answers, which set they are, and those for training."""
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
    return asked, identify(asked, test), read_questions(train, profile.audio_dir)


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


def _write(
    run: Run, results: dict[str, Any], measured: Mapping[Method, Measurement], seed: int
) -> None:
    out = run.out
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        write_bytes(out / name, read_bytes(out / GRPO.folder / name))
    report(
        run,
        results,
        measured,
        chosen_by=GRPO,
        seed=seed,
        training={
            "GRPO": read_journal(out / GRPO.folder / "metrics.jsonl"),
            "SFT": read_journal(out / SFT.folder / "metrics.jsonl"),
        },
    )
    for method in (SFT, GRPO):
        for name in ("model", "adapter"):
            with suppress(UserError):  # no adapter; or a card that somebody wrote anew
                add_results(out / method.folder / name, results)
    write_json(out / "results.json", results)
