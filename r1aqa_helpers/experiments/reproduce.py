"""The main job: from a base model to the table, reported beside measured.

Its folder (each part appears whole, so that a run may be interrupted anywhere)::

    OUT/run.json              whose folder it is: profile, settings, seed, model, questions
    OUT/direct-1/  OUT/direct-2/  OUT/zero-shot-cot/
                              answers: see `session`
    OUT/sft/  OUT/grpo/       the same, and what `training` keeps there; on the tiny track also
    OUT/cota/  OUT/grpo-3/
    OUT/results.json  OUT/report.html  OUT/metrics.jsonl  OUT/rollouts.jsonl
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.experiments.bands import Bands, read_bands
from r1aqa_helpers.experiments.methods import (
    BASE,
    COTA,
    DIRECT_1,
    DIRECT_2,
    GRPO,
    GRPO_3,
    SFT,
    THOUGHT,
    ZERO_SHOT,
    Method,
    method_settings,
)
from r1aqa_helpers.experiments.records import mean_loss, questions_digest
from r1aqa_helpers.experiments.session import (
    Measurement,
    OutOfTime,
    TableRun,
    training_seconds,
)
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, hearing_check, weights_fingerprint
from r1aqa_helpers.models.lora import describe_trained
from r1aqa_helpers.reporting.card_results import add_results
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import json_digest, read_bytes, read_log, write_bytes
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.run_dir import check_writable, claim

#: What GRPO must gain over direct inference, in percentage points, and at which p.
LEAST_GAIN, LARGEST_P = 10.0, 0.001

#: Paired tests. Direct inference with GRPO's own prompt comes first; the other prompt's row is
#: tested as well, so that GRPO is not measured against the weaker of the two alone.
PAIRS = ((GRPO, DIRECT_2), (GRPO, DIRECT_1), (GRPO, SFT))
PAIRS_3 = ((COTA, ZERO_SHOT), (GRPO_3, ZERO_SHOT), (GRPO_3, GRPO))


def reproduce(
    profile: Profile,
    out: Path,
    seed: int = 0,
    minutes: float | None = None,
    console: Console | None = None,
) -> dict[str, Any] | None:
    """Ask the base model with each prompt, train and ask SFT and GRPO, and compare them.

    On the tiny track also with prompt <3>: SFT on thoughts, and GRPO. There each row is held
    against the band in which the experiment expects it (`bands`).

    Interrupted anywhere, the same call goes on. With ``minutes`` it stops by itself, at the
    first training step or method boundary after so many, and the same call goes on, too.

    Returns:
        The content of ``results.json``; None where the minutes ended before.

    Raises:
        UserError: something in the way that the user can fix; or, with all results written,
            GRPO did not beat direct inference, with either prompt, by ``LEAST_GAIN`` points at
            p < ``LARGEST_P``.
    """
    check_writable(out)  # before clips are rendered
    train, test, file, thoughts = _questions(profile)
    trained = (SFT, GRPO) if thoughts is None else (SFT, COTA, GRPO, GRPO_3)
    settings = {method: method_settings(method, profile, seed=seed) for method in trained}
    run = TableRun(profile, out, minutes, console, test, file)
    # No paths are held: folders may move.
    places = ("name", "model", "train", "test", "audio_dir")
    held = {name: value for name, value in profile.as_dict().items() if name not in places}
    claim(out, {"profile": profile.name, "seed": seed, "settings": held})
    try:
        loaded = run.load(profile.model)
        model = weights_fingerprint(loaded)
        claim(out, {"model": model, "train": _digest(train), "test": _digest(test)})
        run.check_hearing(loaded)
        measured = {method: run.answer(method, loaded) for method in BASE}
        del loaded  # two models at once may be more than a GPU holds
        for method in settings:
            learnt = train if thoughts is None or method.learns != THOUGHT else thoughts
            measured[method] = _trained_row(run, method, settings[method], learnt)
    except OutOfTime:
        run.say_out_of_time()
        return None
    pairs = PAIRS if thoughts is None else PAIRS + PAIRS_3
    results = {
        **run.results(seed, measured, pairs),
        "model": place(profile.model),
        "settings": held,
    }
    if thoughts is not None:
        bands = read_bands(profile, model, questions_digest(test), settings)
        results["bands"] = _against(run, measured, bands)
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        write_bytes(out / name, read_bytes(out / GRPO.name / name))
    for method in settings:
        for name in ("model", "adapter"):
            with suppress(UserError):  # no adapter; or a card that somebody else wrote
                add_results(out / method.name / name, results)
    folders = {"GRPO": out / GRPO.name, "SFT": out / SFT.name}
    logs = {name: read_log(folder / "metrics.jsonl") for name, folder in folders.items()}
    run.write(results, measured, GRPO, logs)
    for row in results.get("bands", ()):
        run.say(_band_text(row))
    check_gain(results["comparisons"])
    return results


def _against(
    run: TableRun, measured: Mapping[Method, Measurement], bands: Mapping[Method, Bands]
) -> list[dict[str, Any]]:
    """Each row's accuracy and loss beside its bands; ``within`` is None where it has none."""
    found = []
    for method, one in measured.items():
        accuracy = one.score.average
        row = {"method": method.row, "prompt": method.prompt, "accuracy": accuracy}
        if method not in bands:
            found.append({**row, "band": None, "within": None})
            continue
        loss = mean_loss(run.out / method.name) if method.algorithm else None
        found.append({**row, **bands[method].against(accuracy, loss)})
    return found


def _band_text(row: Mapping[str, Any]) -> str:
    text = f"{row['method']} <{row['prompt']}>: {row['accuracy']:.1f} %"
    if row["band"] is None:
        return f"{text}: no band: the experiment's model, questions or settings are others"
    low, high = row["band"]
    text += f" (band {low:.1f} to {high:.1f})"
    if "loss" in row:
        low, high = row["loss_band"]
        text += f", mean loss {row['loss']:.4f} (band {low:.4f} to {high:.4f})"
    return f"{text}: {'within' if row['within'] else 'OUTSIDE'}"


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


class Questions(NamedTuple):
    """Questions for training and for the test, the latter's file, the former with thoughts."""

    train: Sequence[AudioQuestion]
    test: Sequence[AudioQuestion]
    file: Path
    thoughts: Sequence[AudioQuestion] | None


def _questions(profile: Profile) -> Questions:
    if profile.train is None and profile.test is None and profile.tiny_questions:
        from r1aqa_helpers.tiny.data import prepare, recipes
        from r1aqa_helpers.tiny.reasoning import with_reasoning

        data = prepare()
        train = read_questions(data.train)
        thoughts = with_reasoning(train, recipes("train"))
        return Questions(train, read_questions(data.test), data.test, thoughts)
    if profile.train is None or profile.test is None:
        raise UserError(
            f"profile {profile.name}: give a file of training and one of test questions,"
            " --train and --test"
        )
    train, test = (
        read_questions(file, profile.audio_dir) for file in (profile.train, profile.test)
    )
    return Questions(train, test, profile.test, None)


def _digest(questions: Sequence[AudioQuestion]) -> str:
    return json_digest([(q.id, q.question, q.choices, q.answer) for q in questions])
