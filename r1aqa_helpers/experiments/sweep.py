"""Doing the runs: search, choose, test, the other seeds. Killed anywhere, the same call goes on.

Several processes may work in one folder: each run is done by the one that holds its lock.

::

    OUT/run.json                 settings, model and questions that all runs share
    OUT/runs/NAME.json           a run, or an untrained row: what `records` describes
    OUT/choices/CELL.json        a learning rate, fixed before the test is asked
    OUT/work/NAME/               what is needed to go on; goes when the run has been tested and
                                 no other run is to start from its model
    OUT/work/NAME.lock           held by the process that does it
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.experiments.methods import METHODS, ROWS, Method, method_settings
from r1aqa_helpers.experiments.plan import (
    BEYOND,
    CENTRE,
    FURTHER,
    MULTIPLIERS,
    PLAN,
    REGIMES,
    SEARCH_SEED,
    UNTRAINED,
    Choice,
    Regime,
    Run,
    Splits,
    cell_name,
    choose,
    rate_beyond,
    search_rates,
    shared_settings,
    training_questions,
    validation_questions,
)
from r1aqa_helpers.experiments.records import (
    answers_record,
    costs,
    questions_digest,
    read_record,
    score_record,
    traits,
    validated,
)
from r1aqa_helpers.experiments.session import OutOfTime, Session, is_trained, training_seconds
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, hearing_check, weights_fingerprint
from r1aqa_helpers.scoring import score
from r1aqa_helpers.training import TrainingSettings
from r1aqa_helpers.training.grpo.run import GRPOSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json, write_text
from r1aqa_helpers.utils.locks import lock
from r1aqa_helpers.utils.provenance import provenance
from r1aqa_helpers.utils.run_dir import claim
from r1aqa_helpers.utils.untrusted import shown

Cell = tuple[Regime, Method]
#: Seconds between two looks at what other processes have done, where nothing else is left to do.
POLL = 5.0


class Job(NamedTuple):
    """What a process can do now: the name of its lock, and the work."""

    name: str
    work: Callable[[], object]


class Experiment(Session):
    """The runs of some regimes in one folder."""

    def __init__(
        self,
        profile: Profile,
        splits: Splits,
        out: Path,
        seeds: int | None = None,
        minutes: float | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        """``seeds``: at most so many of each method; ``say`` prints a line.

        Raises:
            UserError: the folder cannot be written, or holds an experiment with other settings.
        """
        super().__init__(profile, out, minutes, say)
        self.splits, self.most_seeds = splits, seeds
        self._origin = provenance()
        self._choices: dict[str, Choice] = {}  # by `cell_name`
        self._done: dict[Path, dict[str, Any]] = {}  # records that do not change any more
        base = self.load(profile.model)
        hearing_check(base, splits.validation)
        search = {"centre": CENTRE, "multipliers": list(MULTIPLIERS), "beyond": BEYOND}
        claim(
            out,
            {
                "settings": shared_settings(profile),
                "max_new_tokens": profile.max_new_tokens,
                "search": {**search, "further": FURTHER},
                "model": weights_fingerprint(base),
                "questions": {
                    name: questions_digest(getattr(splits, name))
                    for name in ("train", "validation", "test")
                },
            },
        )
        write_text(out / "work" / ".gitignore", "*\n")

    def run(self, regimes: Sequence[Regime] = PLAN) -> bool:
        """Everything that is not done yet; False where the minutes ended before."""
        cells = [(regime, ROWS[name]) for regime in regimes for name in regime.methods]
        told = False
        try:
            while jobs := list(self._jobs(cells)):
                if any(self._does(job) for job in jobs):
                    told = False
                    continue
                if not told:
                    self.say(f"Waiting for another process: {shown(self._lock(jobs[0].name))}")
                    told = True
                self.check_time()
                time.sleep(POLL)
        except OutOfTime:
            return False
        return True

    # --- what there is to do --------------------------------------------------------------

    def _jobs(self, cells: Sequence[Cell]) -> Iterator[Job]:
        """What is not done and can be done by now, in order; also what others are doing."""
        choices: dict[Cell, Choice] = {}
        for cell in cells:
            regime, method = cell
            if regime.name == UNTRAINED.name:
                if not self._base_record(method).exists():
                    yield Job(f"base-{method.name}", partial(self.ask_base, method))
            elif (choice := self.choice(cell)) is None:
                for rate in self._search(cell)[1]:
                    yield from self._trained(Run(*cell, rate, SEARCH_SEED), self.train_run)
            else:
                choices[cell] = choice
                yield from self._tested(cell, choice, SEARCH_SEED)
        seeds = {cell: cell[0].seeds_of(cell[1].name, self.most_seeds)[1:] for cell in choices}
        for seed in sorted({seed for some in seeds.values() for seed in some}):
            for cell, choice in choices.items():
                if seed in seeds[cell]:
                    yield from self._tested(cell, choice, seed)

    def _tested(self, cell: Cell, choice: Choice, seed: int) -> Iterator[Job]:
        """The job of testing a run, unless that is done or cannot be done yet."""
        run = Run(*cell, choice.rate, seed)
        if "test" not in (self._read(run) or {}):
            yield from self._trained(run, lambda run: self.test(run, choice))

    def _trained(self, run: Run, work: Callable[[Run], object]) -> Iterator[Job]:
        """The job of ``work``, or first that of the model from which the run starts.

        None where that model has not been trained yet: its own jobs are among those of its cell.
        """
        if run.method.start is not None and not self._has_model(run):
            if self.choice((run.regime, METHODS[run.method.start])) is None:
                return
            begun = self._start(run)
            if begun is None or self._read(begun) is None:
                return
            if not self._has_model(begun):
                yield Job(begun.name, partial(self._restore, begun))
                return
        yield Job(run.name, lambda: work(run))

    def _does(self, job: Job) -> bool:
        """Do a job, unless another process is doing it."""
        with lock(self._lock(job.name)) as held:
            if held:
                job.work()
        return held

    def _search(self, cell: Cell) -> tuple[list[dict[str, Any]], list[float]]:
        """The records of a search, and the rates that it still has to try."""
        rates = list(search_rates(cell[1]))
        while True:
            read = {rate: self._read(Run(*cell, rate, SEARCH_SEED)) for rate in rates}
            records = [record for record in read.values() if record is not None]
            missing = [rate for rate, record in read.items() if record is None]
            further = None if missing else rate_beyond([validated(one) for one in records])
            if further is None:
                return records, missing
            rates.append(further)

    def choice(self, cell: Cell) -> Choice | None:
        """The learning rate of a method in a regime; None while its search goes on."""
        name = cell_name(*cell)
        if name in self._choices:
            return self._choices[name]
        path, (regime, method) = self.out / "choices" / f"{name}.json", cell
        if path.exists():
            self._choices[name] = Choice(**read_json(path))
            return self._choices[name]
        records, missing = self._search(cell)
        if missing:
            return None
        choice = choose(regime.name, method.name, [validated(record) for record in records])
        write_json(path, asdict(choice))
        self._choices[name] = choice
        for rate in {record["lr"] for record in records} - {choice.rate}:
            shutil.rmtree(self._work(Run(*cell, rate, SEARCH_SEED)), ignore_errors=True)
        note = ", at the end of what was tried" if choice.at_end else ""
        self.say(f"{regime.name}, {method.name}: learning rate {choice.rate:.1e}{note}.")
        return choice

    # --- doing it -------------------------------------------------------------------------

    def ask_base(self, method: Method) -> dict[str, Any]:
        """The record of an untrained row: asked now or before."""
        path, name = self._base_record(method), f"base-{method.name}"
        if path.exists():
            return read_record(path)
        self.check_time()
        self.say(f"{name}: asking.")
        loaded, test = self.load(self.profile.model), self.splits.test
        loaded.name = "base"
        record = {
            "regime": UNTRAINED.name,
            "method": method.name,
            "prompt": method.prompt,
            "lr": None,
            "seed": None,
            "test": self._scored(method, loaded, test, self.out / "work" / name / "test.jsonl"),
            "questions": {"test": questions_digest(test)},
            **self._origin,
        }
        write_json(path, record)
        shutil.rmtree(self.out / "work" / name, ignore_errors=True)
        self.say(f"{name}: {record['test']['accuracy']:.1f} % on the test.")
        return record

    def train_run(self, run: Run) -> dict[str, Any]:
        """The run's record: trained and validated, now or before. The test is not asked."""
        held, folder = self._read(run), self._work(run)
        if held is not None:
            return held
        self.check_time()
        self.say(f"{run.name}: training.")
        questions, settings = training_questions(run, self.splits), self._settings(run)
        self._train(run, questions, settings)
        clock = read_json(folder / "clock.json")
        asked = validation_questions(run, self.splits)
        begun = self._start(run)
        record = {
            "regime": run.regime.name,
            "method": run.method.name,
            "algorithm": run.method.algorithm,
            "prompt": run.method.prompt,
            "lr": run.rate,
            "seed": run.seed,
            "steps": settings.steps,
            "start": None if begun is None else begun.name,
            "settings": {k: v for k, v in asdict(settings).items() if k != "minutes"},
            "validation": self._scored_run(run, asked, "validation"),
            "training": {
                "wall_seconds": round(clock["wall"], 2),
                "cpu_seconds": round(clock["cpu"], 2),
                "steps_seconds": round(training_seconds(folder), 2),
                "killed": clock["killed"],
                "threads": torch.get_num_threads(),
            },
            "costs": self._costs(run, settings, clock["cpu"]),
            "traits": traits(folder),
            "questions": {
                "train": questions_digest(questions),
                "validation": questions_digest(asked),
            },
            **self._origin,
        }
        write_json(self._record(run), record)
        self.say(f"{run.name}: {record['validation']['accuracy']:.1f} % on validation.")
        return record

    def test(self, run: Run, choice: Choice) -> dict[str, Any]:
        """The run's record with its test, which is asked once.

        Raises ``ValueError`` unless ``choice`` is this run's: other rates are never tested.
        """
        chosen = (choice.regime, choice.method, choice.rate)
        if (run.regime.name, run.method.name, run.rate) != chosen:
            raise ValueError(f"{run.name}: its learning rate was not chosen, so it is not tested")
        record = self.train_run(run)
        if "test" in record:
            return record
        self._restore(run)
        self.check_time()
        test = self.splits.test
        record = {
            **record,
            "rate_at_end": choice.at_end,
            "test": self._scored_run(run, test, "test"),
        }
        record["questions"] = {**record["questions"], "test": questions_digest(test)}
        write_json(self._record(run), record)
        self.say(f"{run.name}: {record['test']['accuracy']:.1f} % on the test.")
        for one in (run, self._start(run)):
            if one is not None and not self._needed(one):
                shutil.rmtree(self._work(one), ignore_errors=True)
        return record

    def _restore(self, run: Run) -> None:
        """Train a run's model once more, where it is gone; its record stays."""
        if not self._has_model(run):
            self.say(f"{run.name}: its model is gone and is trained once more.")
            self._train(run, training_questions(run, self.splits), self._settings(run))

    def _train(
        self, run: Run, questions: Sequence[AudioQuestion], settings: TrainingSettings
    ) -> None:
        folder, begun = self._work(run), self._start(run)
        start = None if begun is None else self._work(begun) / "model"
        with _metered(folder / "clock.json"):
            self.train(run.method, settings, questions, folder, start=start)
        for left in (*folder.glob("checkpoint-*"), folder / "adapter"):
            shutil.rmtree(left, ignore_errors=True)

    def _settings(self, run: Run) -> TrainingSettings:
        steps = {} if run.regime.steps is None else {"steps": run.regime.steps}
        return method_settings(run.method, self.profile, lr=run.rate, seed=run.seed, **steps)

    def _costs(self, run: Run, settings: TrainingSettings, cpu: float) -> dict[str, float]:
        """Those of the run, and of the one that it starts from."""
        per_step = 0
        if isinstance(settings, GRPOSettings):
            per_step = settings.prompts_per_step * settings.group_size
        found, begun = costs(self._work(run), per_step, cpu), self._start(run)
        if begun is None:
            return found
        before = read_record(self._record(begun))["costs"]
        return {name: round(value + before[name], 2) for name, value in found.items()}

    def _scored_run(
        self, run: Run, questions: Sequence[AudioQuestion], name: str
    ) -> dict[str, Any]:
        loaded = self.load(str(self._work(run) / "model"))
        loaded.name = run.name
        return self._scored(run.method, loaded, questions, self._work(run) / f"{name}.jsonl")

    def _scored(
        self, method: Method, loaded: LoadedModel, questions: Sequence[AudioQuestion], log: Path
    ) -> dict[str, Any]:
        """A model's answers, scored; ``cpu_seconds`` are of the last call alone."""
        start = time.process_time()
        answers = self.ask(loaded, questions, method.prompt, log)
        cpu = time.process_time() - start
        result = score(questions, {answer.id: answer.answer for answer in answers})
        return {
            **score_record(result, sum(answer.seconds for answer in answers), cpu),
            **answers_record(answers, loaded, method.prompt, self.profile.max_new_tokens),
        }

    # --- what is there --------------------------------------------------------------------

    def _start(self, run: Run) -> Run | None:
        """The run from whose model this one starts; None: it starts from the base.

        Raises ``ValueError`` where that one's learning rate has not been chosen yet.
        """
        if run.method.start is None:
            return None
        cell = run.regime, METHODS[run.method.start]
        choice = self.choice(cell)
        if choice is None:
            raise ValueError(f"{run.name}: the learning rate of {cell_name(*cell)} is not chosen")
        return Run(*cell, choice.rate, run.seed)

    def _needed(self, run: Run) -> bool:
        """Whether a run that is to start from this one's model has not been tested yet."""
        regime = REGIMES[run.regime.name]
        for method in (METHODS[name] for name in regime.methods):
            seeds = regime.seeds_of(method.name, self.most_seeds)
            if method.start == run.method.name and run.seed in seeds:
                choice = self.choice((run.regime, method))
                if choice is None:
                    return True
                if "test" not in (self._read(Run(run.regime, method, choice.rate, run.seed)) or {}):
                    return True
        return False

    def _has_model(self, run: Run) -> bool:
        return is_trained(self._work(run), self._settings(run).steps)

    def _read(self, run: Run) -> dict[str, Any] | None:
        """The record of a run, if it is there.

        Raises ``UserError`` where it has other steps than the plan.
        """
        path = self._record(run)
        if path not in self._done:
            if not path.exists():
                return None
            record, steps = read_record(path), self._settings(run).steps
            if record["steps"] != steps:
                raise UserError(
                    f"{shown(path)}: has {record['steps']} steps, the plan {steps}; remove the"
                    " records and the choice of this method in this regime"
                )
            if "test" not in record:
                return record
            self._done[path] = record
        return self._done[path]

    def _record(self, run: Run) -> Path:
        return self.out / "runs" / f"{run.name}.json"

    def _base_record(self, method: Method) -> Path:
        return self.out / "runs" / f"base-{method.name}.json"

    def _work(self, run: Run) -> Path:
        return self.out / "work" / run.name

    def _lock(self, name: str) -> Path:
        return self.out / "work" / f"{name}.lock"


@contextmanager
def _metered(path: Path) -> Iterator[None]:
    """Add the wall and CPU seconds of what is done within to those in ``path``.

    ``killed`` becomes true where a part of it was killed, whose seconds are not known.
    """
    held = read_json(path) if path.exists() else {"wall": 0.0, "cpu": 0.0, "killed": False}
    write_json(path, {**held, "killed": True})
    wall, cpu = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        held["wall"] += time.monotonic() - wall
        held["cpu"] += time.process_time() - cpu
        write_json(path, held)
