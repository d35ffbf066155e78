"""Models that are finished, measured beside what was published of them; nothing is trained.

The base model answers with each of the paper's prompts, the trained one with prompt <2>. Its
folder (each part appears whole, so that a run may be interrupted anywhere)::

    OUT/run.json              whose folder it is: models, settings, questions
    OUT/direct-1/  OUT/direct-2/  OUT/zero-shot-cot/  OUT/r1-aqa/ (or OUT/trained/)
                              answers: see `session`
    OUT/results.json  OUT/report.html
"""

from pathlib import Path
from typing import Any

from rich.console import Console

from r1aqa_helpers.data import identify, read_questions
from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
from r1aqa_helpers.evaluation.local import as_predictions, open_log
from r1aqa_helpers.evaluation.openai_client import Endpoint, find_endpoint
from r1aqa_helpers.experiments.methods import (
    BASE,
    DIRECT_1,
    DIRECT_2,
    RELEASED,
    TRAINED,
    ZERO_SHOT,
    Method,
)
from r1aqa_helpers.experiments.session import Measurement, OutOfTime, TableRun
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import MAX_NEW_TOKENS, weights_fingerprint
from r1aqa_helpers.scoring import check_predictions, metadata_file
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, read_log
from r1aqa_helpers.utils.run_dir import claim
from r1aqa_helpers.utils.untrusted import shown

#: The checkpoint that R1-AQA's authors published: the row of 64.5 % in its model card.
RELEASED_MODEL = "mispeech/r1-aqa"

#: What the trained model is compared with by paired tests, its own prompt first.
COMPARED = (DIRECT_2, DIRECT_1, ZERO_SHOT)


def compare(
    profile: Profile,
    questions: Path,
    out: Path | None = None,
    *,
    base: str | None = None,
    trained: str | None = None,
    endpoint: str | None = None,
    audio_dir: Path | None = None,
    seed: int = 0,
    minutes: float | None = None,
    console: Console | None = None,
    runs: Path = Path("runs"),
) -> dict[str, Any] | None:
    """Measure the base model and the trained one, and say whether the published rows come out.

    Interrupted anywhere, the same call goes on. With ``minutes`` it stops by itself before the
    first row that would begin after so many, and the same call goes on, too.

    Args:
        profile: on what models of this machine run.
        questions: file of questions with gold answers; which set they are, their content says.
        out: folder to write to; by default one in ``runs``, named after profile and questions.
        base: base model; by default the profile's.
        trained: the trained model; by default the released one, but for the tiny profile, which
            has none.
        endpoint: address of a server that is asked in place of models of this machine. ``base``
            and ``trained`` are then its names for them, and one may be left out: its rows are
            those of an earlier call with the same ``out``, if there was one.
        audio_dir: folder of the recordings, by default that of the file.
        seed: of the choice of clips in the report; answers are greedy.
        minutes: time limit.
        console: where to print.
        runs: where ``out`` is by default.

    Returns:
        The content of ``results.json``; None where the minutes ended before.

    Raises:
        UserError: something in the way that the user can fix.
    """
    test = read_questions(questions, audio_dir)
    missing = [question for question in test if not question.audio.is_file()]
    if missing:
        raise UserError(
            f"{shown(questions)}: {len(missing)} of {len(test)} recordings are not there, the"
            f" first: {shown(missing[0].audio)}; give their folder with --audio-dir, or fetch the"
            " set again"
        )
    models = _models(profile, base, trained, endpoint)
    servers = {role: find_endpoint(endpoint, name) for role, name in models.items() if endpoint}
    where = "endpoint" if endpoint else profile.name
    out = out or runs / f"{where}-{identify(test, questions).name}"
    run = TableRun(profile, out, minutes, console, test, questions)
    if endpoint is not None:  # of a server only its address is known
        run.origin = {"endpoint": endpoint}
    # What must be the same when a run goes on, and is not the models or the questions.
    names = ("device", "dtype", "eval_tokens", "max_new_tokens")
    settings = {name: profile.as_dict()[name] for name in names}
    if endpoint is not None:
        settings = {"models": "served", "max_new_tokens": MAX_NEW_TOKENS}
    claim(out, {"job": "compare", "test": run.test_set.sha256, "settings": settings})
    run.say(f"Questions: {run.test_set.text}")
    for role, model in models.items():
        run.say(f"{role.capitalize()} model: {shown(model)}")
    measured: dict[Method, Measurement] = {}
    try:
        for role in ("base", "trained"):
            if role not in models:
                measured |= _kept(run, role)
            elif endpoint is not None:
                measured |= _served(run, role, servers[role])
            else:
                measured |= _local(run, role, models[role])
    except OutOfTime:
        run.say_out_of_time()
        return None
    last = [*measured][-1]
    pairs = [(last, other) for other in COMPARED if last not in BASE and other in measured]
    results = {**run.results(seed, measured, pairs), "settings": settings}
    run.write(results, measured, last, training={})
    return results


def _models(
    profile: Profile, base: str | None, trained: str | None, endpoint: str | None
) -> dict[str, str]:
    """Which models to ask, by role."""
    if endpoint is None:
        if trained is None and profile.tiny_questions:
            raise UserError(
                f"profile {profile.name}: no trained model of its size is released; name one with"
                f" --trained, such as the folder grpo/model of a run, or choose another profile"
            )
        return {"base": base or profile.model, "trained": trained or RELEASED_MODEL}
    named = {"base": base, "trained": trained}
    if not any(named.values()):
        raise UserError(
            "--endpoint: say which model to ask there; --model with the server's name for the base"
            " model, --trained with that for the trained one, or both"
        )
    return {role: name for role, name in named.items() if name is not None}


def _methods(role: str, model: str) -> tuple[Method, ...]:
    if role == "base":
        return BASE
    return (RELEASED,) if model == RELEASED_MODEL else (TRAINED,)


def _local(run: TableRun, role: str, model: str) -> dict[Method, Measurement]:
    """Rows of a model on this machine."""
    run.check_time()
    loaded = run.load(model)
    claim(run.out, {role: weights_fingerprint(loaded)})
    run.check_hearing(loaded)
    return {method: run.answer(method, loaded) for method in _methods(role, model)}


def _served(run: TableRun, role: str, server: Endpoint) -> dict[Method, Measurement]:
    """Rows of a model that a server has."""
    claim(run.out, {role: server.model})
    run.say(
        f"Asking {server.url} for {server.model}; whether a served model hears cannot be"
        " checked from here."
    )
    found = {}
    for method in _methods(role, server.model):
        run.begin_row(method)
        predictions = answer_at_endpoint(
            server, run.test, prompt=method.prompt, log=run.log(method)
        )
        found[method] = run.measured(method, predictions, server.model)
    return found


def _kept(run: TableRun, role: str) -> dict[Method, Measurement]:
    """Rows of an earlier call, made of the logs."""
    found = {}
    for method in BASE if role == "base" else (RELEASED, TRAINED):
        path, log = run.predictions_file(method), run.log(method)
        rows = read_log(log)
        if not metadata_file(path).exists() or not rows:
            continue
        check_predictions(path, run.test_set)
        predictions = as_predictions(open_log(log, rows[0]).values())
        model = str(read_json(metadata_file(path)).get("model"))
        found[method] = run.scored(method, predictions, model)
        run.say(f"{method.label}: of an earlier call.")
    return found
