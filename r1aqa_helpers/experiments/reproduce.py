"""The main job: from a base model to the table, reported beside measured.

Its folder (each part appears whole, so that a run may be interrupted anywhere)::

    OUT/run.json              whose folder it is: profile, settings, seed, model, questions
    OUT/direct-1/  OUT/direct-2/  OUT/zero-shot-cot/
                              answers: see `session`
    OUT/sft/  OUT/grpo/       the same, and what `training` keeps there
    OUT/results.json  OUT/report.html  OUT/metrics.jsonl  OUT/rollouts.jsonl
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.experiments.methods import (
    BASE,
    DIRECT_1,
    DIRECT_2,
    GRPO,
    SFT,
    Method,
    method_settings,
)
from r1aqa_helpers.experiments.session import (
    Measurement,
    OutOfTime,
    TableRun,
    digest,
    training_seconds,
)
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, hearing_check, weights_fingerprint
from r1aqa_helpers.models.lora import describe_trained
from r1aqa_helpers.reporting.card_results import add_results
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_bytes, read_log, write_bytes
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.run_dir import claim

#: What GRPO must gain over direct inference, in percentage points, and at which p.
LEAST_GAIN, LARGEST_P = 10.0, 0.001

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
    """Ask the base model with each prompt, train and ask SFT and GRPO, and compare them.

    Interrupted anywhere, the same call goes on. With ``minutes`` it stops by itself, at the
    first training step or method boundary after so many, and the same call goes on, too.

    Returns:
        The content of ``results.json``; None where the minutes ended before.

    Raises:
        UserError: something in the way that the user can fix; or, with all results written,
            GRPO did not beat direct inference, with either prompt, by ``LEAST_GAIN`` points at
            p < ``LARGEST_P``.
    """
    settings = {method: method_settings(method, profile, seed=seed) for method in (SFT, GRPO)}
    train, test, file = _questions(profile)
    run = TableRun(profile, out, minutes, console, test, file)
    # No paths are held: folders may move.
    places = ("name", "model", "train", "test", "audio_dir")
    held = {name: value for name, value in profile.as_dict().items() if name not in places}
    claim(out, {"profile": profile.name, "seed": seed, "settings": held})
    try:
        loaded = run.load(profile.model)
        claim(
            out,
            {"model": weights_fingerprint(loaded), "train": _digest(train), "test": _digest(test)},
        )
        run.check_hearing(loaded)
        measured = {method: run.answer(method, loaded) for method in BASE}
        del loaded  # two models at once may be more than a GPU holds
        for method in settings:
            measured[method] = _trained_row(run, method, settings[method], train)
    except OutOfTime:
        run.say_out_of_time()
        return None
    results = {
        **run.results(seed, measured, PAIRS),
        "model": place(profile.model),
        "settings": held,
    }
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        write_bytes(out / name, read_bytes(out / GRPO.name / name))
    for method in settings:
        for name in ("model", "adapter"):
            with suppress(UserError):  # no adapter; or a card that somebody else wrote
                add_results(out / method.name / name, results)
    folders = {"GRPO": out / GRPO.name, "SFT": out / SFT.name}
    logs = {name: read_log(folder / "metrics.jsonl") for name, folder in folders.items()}
    run.write(results, measured, GRPO, logs)
    check_gain(results["comparisons"])
    return results


def check_gain(comparisons: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``UserError`` unless GRPO beat every direct row by enough."""
    for test in comparisons:
        if (test["a"], test["b"]) != (GRPO.row, DIRECT_2.row):
            continue
        if not (test["difference"] >= LEAST_GAIN and test["mcnemar_p"] < LARGEST_P):
            raise UserError(
                f"GRPO did not beat direct inference with prompt <{test['b_prompt']}> by"
                f" {LEAST_GAIN:g} points at p < {LARGEST_P:g}: {test['difference']:+.1f} points,"
                f" p = {test['mcnemar_p']:.2g}; all results are written, see report.html"
            )


def _trained_row(
    run: TableRun, method: Method, settings: Any, train: Sequence[AudioQuestion]
) -> Measurement:
    folder = run.out / method.name

    def begin(loaded: LoadedModel) -> None:
        what = describe_trained(loaded.model, settings.lora_rank, settings.encoder_frozen)
        run.say(f"{method.label}: {settings.steps} steps, training {what}.")

    run.train(method, settings, train, folder, begin)
    loaded = run.load(str(folder / "model"))
    hearing_check(loaded, run.test)
    found = run.answer(method, loaded)
    return found._replace(row=replace(found.row, train_seconds=training_seconds(folder)))


def _questions(profile: Profile) -> tuple[list[AudioQuestion], list[AudioQuestion], Path]:
    """Questions for training, those of the test, and the file of the latter."""
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
    folder = profile.audio_dir
    return read_questions(train, folder), read_questions(test, folder), test


def _digest(questions: Sequence[AudioQuestion]) -> str:
    return digest([(q.id, q.question, q.choices, q.answer) for q in questions])
