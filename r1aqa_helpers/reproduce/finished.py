"""Models that are finished, measured beside what was published of them; nothing is trained.

The base model answers with each of the paper's prompts, the trained one with prompt <2>. Its
folder (each part appears whole, so that a run may be interrupted anywhere)::

    OUT/run.json              whose folder it is: models, settings, questions
    OUT/direct-1/  OUT/direct-2/  OUT/zero-shot-cot/  OUT/r1-aqa/ (or OUT/trained/)
                              journal.jsonl (answers as they come), predictions.json, and which
                              questions they answer (predictions.json.about.json)
    OUT/results.json  OUT/report.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from r1aqa_helpers.answering import as_predictions, open_log
from r1aqa_helpers.endpoint import Endpoint, answer_at_endpoint, find_endpoint
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_journal, read_json, shown, write_json
from r1aqa_helpers.models import MAX_NEW_TOKENS, weights_fingerprint
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.questions import AudioQuestion, identify, read_questions
from r1aqa_helpers.results import about_file, check_made_for, load_published, print_tables
from r1aqa_helpers.run_folder import check_writable, claim
from r1aqa_helpers.scoring import score

from .methods import (
    BASE,
    DIRECT_1,
    DIRECT_2,
    RELEASED,
    TRAINED,
    ZERO_SHOT,
    Measurement,
    Method,
)
from .run import Clock, OutOfTime, Run
from .writing import report, table

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
        UserError: something in the way that the user can mend.
    """
    console = console or Console()
    asked = read_questions(questions, audio_dir)
    score(asked, {})  # finds a question without a gold answer now, not after hours of work
    _check_recordings(asked, questions)
    test_set = identify(asked, questions)
    models = _models(profile, base, trained, endpoint)
    where = "endpoint" if endpoint else profile.name
    out = out or runs / f"{where}-{test_set.name}"
    run = _CompareRun(profile, out, Clock(minutes), console, asked, test_set, models, endpoint)
    check_writable(out)
    claim(out, {"job": "compare", "test": test_set.sha256, "settings": run.settings})
    run.say(f"Questions: {test_set.text}")
    for role, model in models.items():
        run.say(f"{role.capitalize()} model: {shown(model)}")
    try:
        measured = run.rows()
    except OutOfTime:
        run.say(f"{minutes:g} minutes are over; the same command goes on from here.")
        return None
    last = [*measured][-1]
    pairs = [(last, other) for other in COMPARED if last not in BASE and other in measured]
    results = {**table(run, seed, measured, pairs), "settings": run.settings}
    report(run, results, measured, chosen_by=last, seed=seed, training={})
    write_json(out / "results.json", results)
    rows = [found.row for found in measured.values()]
    print_tables(console, load_published(), rows, results["comparisons"], test_set)
    run.say(f"Results in {shown(out)}: results.json, report.html")
    return results


def _check_recordings(asked: Sequence[AudioQuestion], questions: Path) -> None:
    missing = [question for question in asked if not question.audio.is_file()]
    if missing:
        raise UserError(
            f"{shown(questions)}: {len(missing)} of {len(asked)} recordings are not there, the"
            f" first: {shown(missing[0].audio)}; give their folder with --audio-dir, or fetch the"
            " set again"
        )


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


@dataclass
class _CompareRun(Run):
    """The rows of finished models, of this machine or of a server."""

    models: dict[str, str]
    endpoint: str | None

    def __post_init__(self) -> None:
        # Before any work: an address or key with a fault.
        self.servers: dict[str, Endpoint] = {}
        if self.endpoint is not None:
            self.servers = {
                role: find_endpoint(self.endpoint, name) for role, name in self.models.items()
            }

    @property
    def where(self) -> dict[str, Any]:
        """Of a server only its address is known."""
        return super().where if self.endpoint is None else {"endpoint": self.endpoint}

    @property
    def settings(self) -> dict[str, Any]:
        """What must be the same when a run goes on, and is not the models or the questions."""
        if self.endpoint is not None:
            return {"models": "served", "max_new_tokens": MAX_NEW_TOKENS}
        names = ("device", "dtype", "eval_tokens", "max_new_tokens")
        return {name: self.profile.as_dict()[name] for name in names}

    def rows(self) -> dict[Method, Measurement]:
        """Every row that can be had, the trained model's last."""
        return {**self._of("base"), **self._of("trained")}

    def _of(self, role: str) -> dict[Method, Measurement]:
        model = self.models.get(role)
        if model is None:
            return self._kept(role)
        if self.endpoint is not None:
            return self._served(role)
        self.clock.check()
        loaded = self.load(model)
        claim(self.out, {role: weights_fingerprint(loaded)})
        self.listen(loaded)
        return {method: self.answer(method, loaded) for method in _methods(role, model)}

    def _served(self, role: str) -> dict[Method, Measurement]:
        server = self.servers[role]
        claim(self.out, {role: server.model})
        self.say(
            f"Asking {server.url} for {server.model}; whether a served model hears cannot be"
            " checked from here."
        )
        return {method: self._ask(method, server) for method in _methods(role, server.model)}

    def _ask(self, method: Method, server: Endpoint) -> Measurement:
        self.clock.check()
        self.say(f"{method.label}: {len(self.test)} questions.")
        predictions = answer_at_endpoint(
            server, self.test, prompt=method.prompt, log=self.journal(method)
        )
        return self.measured(method, predictions, server.model)

    def _kept(self, role: str) -> dict[Method, Measurement]:
        """Rows of an earlier call, made of the journals."""
        found = {}
        for method in BASE if role == "base" else (RELEASED, TRAINED):
            path, journal = self.predictions_file(method), self.journal(method)
            rows = read_journal(journal)
            if not about_file(path).exists() or not rows:
                continue
            check_made_for(path, self.test_set)
            predictions = as_predictions(open_log(journal, rows[0]).values())
            model = str(read_json(about_file(path)).get("model"))
            found[method] = self.scored(method, predictions, model)
            self.say(f"{method.label}: of an earlier call.")
        return found


def _methods(role: str, model: str) -> tuple[Method, ...]:
    if role == "base":
        return BASE
    return (RELEASED,) if model == RELEASED_MODEL else (TRAINED,)
