"""Doing the runs: search, choose, test, the other seeds. Killed anywhere, the same call goes on.

::

    OUT/run.json                 settings, model and questions that all runs share
    OUT/runs/NAME.json           a run: what `records` describes
    OUT/choices.json             the learning rates, fixed before the test is asked
    OUT/work/NAME/               what is needed to go on; goes when the run has been tested
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.experiments.methods import METHODS, Method, method_settings
from r1aqa_helpers.experiments.plan import (
    BEYOND,
    CENTRE,
    MULTIPLIERS,
    SEARCH_SEED,
    Choice,
    Regime,
    Run,
    Splits,
    best_rate,
    choose,
    rate_beyond,
    search_rates,
    training_questions,
    validation_questions,
)
from r1aqa_helpers.experiments.records import (
    questions_digest,
    read_record,
    score_record,
    traits,
    validated,
)
from r1aqa_helpers.experiments.session import OutOfTime, Session, training_seconds
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import hearing_check, weights_fingerprint
from r1aqa_helpers.scoring import score
from r1aqa_helpers.utils.io import read_json, write_json, write_text
from r1aqa_helpers.utils.provenance import provenance
from r1aqa_helpers.utils.run_dir import claim

Cell = tuple[Regime, Method]


class Experiment(Session):
    """The runs of some regimes in one folder."""

    def __init__(
        self,
        profile: Profile,
        splits: Splits,
        out: Path,
        seeds: int,
        minutes: float | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        """``seeds``: 0 to ``seeds`` - 1, of which 0 is the search's. ``say`` prints a line.

        Raises:
            UserError: the folder cannot be written, or holds an experiment with other settings.
        """
        super().__init__(profile, out, minutes, say)
        self.splits = splits
        self.seeds = range(SEARCH_SEED, SEARCH_SEED + seeds)
        self._origin = provenance()
        base = self.load(profile.model)
        hearing_check(base, splits.validation)
        claim(
            out,
            {
                "settings": {"sft": dict(profile.sft), "grpo": dict(profile.grpo)},
                "max_new_tokens": profile.max_new_tokens,
                "search": {"centre": CENTRE, "multipliers": list(MULTIPLIERS), "beyond": BEYOND},
                "model": weights_fingerprint(base),
                "questions": {
                    name: questions_digest(getattr(splits, name))
                    for name in ("train", "validation", "test")
                },
            },
        )
        write_text(out / "work" / ".gitignore", "*\n")

    def run(self, regimes: Sequence[Regime]) -> bool:
        """Everything that is not done yet; False where the minutes ended before."""
        cells = [(regime, METHODS[name]) for regime in regimes for name in regime.methods]
        try:
            choices = {}
            for cell in cells:
                choices[cell] = self.search(cell)
                self.test(Run(*cell, choices[cell].rate, SEARCH_SEED), choices[cell])
            for seed in self.seeds[1:]:
                for cell in cells:
                    self.test(Run(*cell, choices[cell].rate, seed), choices[cell])
        except OutOfTime:
            return False
        return True

    def search(self, cell: Cell) -> Choice:
        """The learning rate of a method in a regime: found, or chosen before."""
        regime, method = cell
        path = self.out / "choices.json"
        held = read_json(path) if path.exists() else {}
        key = f"{regime.name}/{method.name}"
        if key in held:
            return Choice(regime.name, method.name, held[key]["rate"], held[key]["at_end"])
        rates = search_rates(method)
        records = [self.train_run(Run(*cell, rate, SEARCH_SEED)) for rate in rates]
        further = rate_beyond(rates, best_rate([validated(record) for record in records]))
        if further is not None:
            records.append(self.train_run(Run(*cell, further, SEARCH_SEED)))
        choice = choose(regime.name, method.name, [validated(record) for record in records])
        write_json(path, {**held, key: asdict(choice)})
        for rate in {record["lr"] for record in records} - {choice.rate}:
            shutil.rmtree(self._work(Run(*cell, rate, SEARCH_SEED)), ignore_errors=True)
        note = ", at the end of what was tried" if choice.at_end else ""
        self.say(f"{regime.name}, {method.name}: learning rate {choice.rate:.1e}{note}.")
        return choice

    def train_run(self, run: Run) -> dict[str, Any]:
        """The run's record: trained and validated, now or before. The test is not asked."""
        path, folder = self._record(run), self._work(run)
        if path.exists():
            return read_record(path)
        self.check_time()
        self.say(f"{run.name}: training.")
        questions = training_questions(run, self.splits)
        steps = {} if run.regime.steps is None else {"steps": run.regime.steps}
        settings = method_settings(run.method, self.profile, lr=run.rate, seed=run.seed, **steps)
        with _metered(folder / "clock.json"):
            self.train(run.method, settings, questions, folder)
        clock = read_json(folder / "clock.json")
        asked = validation_questions(run, self.splits)
        record = {
            "regime": run.regime.name,
            "method": run.method.name,
            "algorithm": run.method.algorithm,
            "prompt": run.method.prompt,
            "lr": run.rate,
            "seed": run.seed,
            "steps": settings.steps,
            "settings": {k: v for k, v in asdict(settings).items() if k != "minutes"},
            "validation": self._scored(run, asked, "validation"),
            "training": {
                "wall_seconds": round(clock["wall"], 2),
                "cpu_seconds": round(clock["cpu"], 2),
                "steps_seconds": round(training_seconds(folder), 2),
                "killed": clock["killed"],
                "threads": torch.get_num_threads(),
            },
            "traits": traits(folder),
            "questions": {
                "train": questions_digest(questions),
                "validation": questions_digest(asked),
            },
            **self._origin,
        }
        write_json(path, record)
        for left in (*folder.glob("checkpoint-*"), folder / "adapter"):
            shutil.rmtree(left, ignore_errors=True)
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
        self.check_time()
        if not (self._work(run) / "model").is_dir():
            self.say(f"{run.name}: its model is gone and is trained once more.")
            self._record(run).unlink()
            record = self.train_run(run)
        test = self.splits.test
        record = {**record, "test": self._scored(run, test, "test")}
        record["questions"] = {**record["questions"], "test": questions_digest(test)}
        write_json(self._record(run), record)
        shutil.rmtree(self._work(run), ignore_errors=True)
        self.say(f"{run.name}: {record['test']['accuracy']:.1f} % on the test.")
        return record

    def _scored(self, run: Run, questions: Sequence[AudioQuestion], name: str) -> dict[str, Any]:
        """Answers of the run's model, scored; ``cpu_seconds`` are of the last call alone."""
        folder = self._work(run)
        loaded = self.load(str(folder / "model"))
        loaded.name = run.name
        start = time.process_time()
        answers = self.ask(loaded, questions, run.method.prompt, folder / f"{name}.jsonl")
        cpu = time.process_time() - start
        result = score(questions, {answer.id: answer.answer for answer in answers})
        return score_record(result, sum(answer.seconds for answer in answers), cpu)

    def _record(self, run: Run) -> Path:
        return self.out / "runs" / f"{run.name}.json"

    def _work(self, run: Run) -> Path:
        return self.out / "work" / run.name


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
