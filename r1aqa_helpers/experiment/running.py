"""Doing the runs: search, choose, test, the other seeds. Killed anywhere, the same call goes on.

::

    OUT/run.json                 settings, model and questions that all runs share
    OUT/runs/NAME.json           a run: what `record` describes
    OUT/choices.json             the learning rates, fixed before the test is asked
    OUT/work/NAME/               what is needed to go on; goes when the run has been tested
"""

import gc
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from r1aqa_helpers.answering import answer_questions
from r1aqa_helpers.experiment.choosing import Choice, best_rate, choose
from r1aqa_helpers.experiment.clock import ahead, metered
from r1aqa_helpers.experiment.material import Material, training_questions, validation_questions
from r1aqa_helpers.experiment.plan import (
    BEYOND,
    CENTRE,
    MULTIPLIERS,
    SEARCH_SEED,
    Regime,
    Run,
    rate_beyond,
    search_rates,
)
from r1aqa_helpers.experiment.record import (
    digest,
    read_record,
    run_facts,
    score_record,
    traits,
    validated,
)
from r1aqa_helpers.files import read_journal, read_json, write_json, write_text
from r1aqa_helpers.models import LoadedModel, hearing_check, load, weights_fingerprint
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.provenance import provenance
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.roads import ROADS, Road, road_settings, train_road
from r1aqa_helpers.run_folder import check_writable, claim
from r1aqa_helpers.scoring import score

Cell = tuple[Regime, Road]


class _OutOfTime(Exception):
    """The minutes are over; all that was done is kept."""


class Experiment:
    """The runs of some regimes in one folder."""

    def __init__(
        self,
        profile: Profile,
        material: Material,
        out: Path,
        seeds: int,
        minutes: float | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        """``seeds``: 0 to ``seeds`` - 1, of which 0 is the search's. ``say`` prints a line.

        Raises:
            UserError: the folder cannot be written, or holds an experiment with other settings.
        """
        self.profile, self.material, self.out, self.say = profile, material, out, say
        self.seeds = range(SEARCH_SEED, SEARCH_SEED + seeds)
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self._origin = provenance()
        check_writable(out)
        base = self._load(profile.model)
        hearing_check(base, material.validation)
        claim(
            out,
            {
                "settings": {"sft": dict(profile.sft), "grpo": dict(profile.grpo)},
                "max_new_tokens": profile.max_new_tokens,
                "search": {"centre": CENTRE, "multipliers": list(MULTIPLIERS), "beyond": BEYOND},
                "model": weights_fingerprint(base),
                "questions": {
                    "train": digest(material.train),
                    "validation": digest(material.validation),
                    "test": digest(material.test),
                },
            },
        )
        write_text(out / "work" / ".gitignore", "*\n")

    def run(self, regimes: Sequence[Regime]) -> bool:
        """Everything that is not done yet; False where the minutes ended before."""
        cells = [(regime, ROADS[name]) for regime in regimes for name in regime.roads]
        try:
            choices = {}
            for cell in cells:
                choices[cell] = self.search(cell, cells)
                run = Run(*cell, choices[cell].rate, SEARCH_SEED)
                self.test(run, choices[cell])
            for seed in self.seeds[1:]:
                for cell in cells:
                    self.test(Run(*cell, choices[cell].rate, seed), choices[cell], cells)
        except _OutOfTime:
            return False
        return True

    # --- searching ------------------------------------------------------------------------

    def search(self, cell: Cell, cells: Sequence[Cell] = ()) -> Choice:
        """The learning rate of a road in a regime: found, or chosen before."""
        regime, road = cell
        held = self._choices()
        key = f"{regime.name}/{road.name}"
        if key in held:
            return Choice(**held[key])
        rates = search_rates(road)
        records = [self.train(Run(regime, road, rate, SEARCH_SEED), cells) for rate in rates]
        further = rate_beyond(rates, best_rate([validated(record) for record in records]))
        if further is not None:
            records.append(self.train(Run(regime, road, further, SEARCH_SEED), cells))
        choice = choose(regime.name, road.name, [validated(record) for record in records])
        write_json(self.out / "choices.json", {**held, key: asdict(choice)})
        for rate in {record["lr"] for record in records} - {choice.rate}:
            shutil.rmtree(self._work(Run(regime, road, rate, SEARCH_SEED)), ignore_errors=True)
        note = ", at the end of what was tried" if choice.at_end else ""
        self.say(f"{regime.name}, {road.name}: learning rate {choice.rate:.1e}{note}.")
        return choice

    def _choices(self) -> dict[str, Any]:
        path = self.out / "choices.json"
        return read_json(path) if path.exists() else {}

    # --- one run --------------------------------------------------------------------------

    def train(self, run: Run, cells: Sequence[Cell] = ()) -> dict[str, Any]:
        """The run's record: trained and validated, now or before. The test is not asked."""
        path = self._record(run)
        if path.exists():
            return read_record(path)
        self._check_time()
        done = [read_record(path) for path in sorted((self.out / "runs").glob("*.json"))]
        self.say(f"{run.name}: {ahead(self._left(cells) or [run.road.name], done)}")
        questions = training_questions(run, self.material)
        settings = self._settings(run)
        folder = self._work(run)
        training = self._train(run, settings, questions)
        asked = validation_questions(run, self.material)
        record = {
            **run_facts(run),
            "steps": settings.steps,
            "settings": {k: v for k, v in asdict(settings).items() if k != "minutes"},
            "validation": self._ask(run, asked, "validation"),
            "training": training,
            "traits": traits(folder),
            "questions": {"train": digest(questions), "validation": digest(asked)},
            **self._origin,
        }
        write_json(path, record)
        for left in (*folder.glob("checkpoint-*"), folder / "adapter"):
            shutil.rmtree(left, ignore_errors=True)
        self.say(f"{run.name}: {record['validation']['accuracy']:.1f} % on validation.")
        return record

    def test(self, run: Run, choice: Choice, cells: Sequence[Cell] = ()) -> dict[str, Any]:
        """The run's record with its test, which is asked once.

        Raises ``ValueError`` unless ``choice`` is this run's: other rates are never tested.
        """
        if (run.regime.name, run.road.name, run.rate) != (choice.regime, choice.road, choice.rate):
            raise ValueError(f"{run.name}: its learning rate was not chosen, so it is not tested")
        record = self.train(run, cells)
        if "test" in record:
            return record
        self._check_time()
        if not (self._work(run) / "model").is_dir():
            self.say(f"{run.name}: its model is gone and is trained once more.")
            self._record(run).unlink()
            record = self.train(run, cells)
        test = self.material.test
        record = {**record, "test": self._ask(run, test, "test")}
        record["questions"] = {**record["questions"], "test": digest(test)}
        write_json(self._record(run), record)
        shutil.rmtree(self._work(run), ignore_errors=True)
        self.say(f"{run.name}: {record['test']['accuracy']:.1f} % on the test.")
        return record

    def _settings(self, run: Run) -> Any:
        changed = {} if run.regime.steps is None else {"steps": run.regime.steps}
        return road_settings(run.road, self.profile, lr=run.rate, seed=run.seed, **changed)

    def _train(self, run: Run, settings: Any, questions: Sequence[AudioQuestion]) -> dict[str, Any]:
        """Train to the end; what it took in seconds."""
        folder = self._work(run)
        model = folder / "model"
        # A model of fewer steps was written when the minutes ended, and is to be trained on.
        if model.is_dir() and _steps(folder) < settings.steps:
            shutil.rmtree(model)
        minutes = None if self._end is None else max(0.0, (self._end - time.monotonic()) / 60)
        limited = replace(settings, minutes=minutes)
        with metered(folder / "clock.json"):
            train_road(run.road, self._load(self.profile.model), questions, limited, folder)
        if _steps(folder) < settings.steps:
            shutil.rmtree(model)
            raise _OutOfTime
        clock = read_json(folder / "clock.json")
        steps = sum(row["seconds"] for row in read_journal(folder / "metrics.jsonl"))
        return {
            "wall_seconds": round(clock["wall"], 2),
            "cpu_seconds": round(clock["cpu"], 2),
            "steps_seconds": round(steps, 2),
            "killed": clock["killed"],
            "threads": torch.get_num_threads(),
        }

    def _ask(self, run: Run, questions: Sequence[AudioQuestion], name: str) -> dict[str, Any]:
        """Answers of the run's model, scored. The seconds of CPU are of the last part alone,
        where an interruption made two."""
        folder = self._work(run)
        loaded = self._load(str(folder / "model"))
        loaded.name = run.name
        start = time.process_time()
        predictions = answer_questions(
            loaded,
            questions,
            prompt=run.road.prompt,
            batch_tokens=self.profile.eval_tokens,
            max_new_tokens=self.profile.max_new_tokens,
            log=folder / f"{name}.jsonl",
        )
        cpu = time.process_time() - start
        result = score(questions, {p.id: p.answer for p in predictions})
        return score_record(result, sum(p.seconds for p in predictions), cpu)

    def _load(self, model: str) -> LoadedModel:
        gc.collect()  # a trainer's reference cycles may still hold the model before
        return load(model, device=self.profile.device, dtype=self.profile.dtype)

    def _record(self, run: Run) -> Path:
        return self.out / "runs" / f"{run.name}.json"

    def _work(self, run: Run) -> Path:
        return self.out / "work" / run.name

    # --- time -----------------------------------------------------------------------------

    def _left(self, cells: Sequence[Cell]) -> list[str]:
        """The road of every run that is still to be trained, as far as can be known."""
        left, choices = [], self._choices()
        for regime, road in cells:
            chosen = choices.get(f"{regime.name}/{road.name}")
            rates = search_rates(road) if chosen is None else (chosen["rate"],)
            runs = [Run(regime, road, rate, SEARCH_SEED) for rate in rates]
            runs += [Run(regime, road, rates[0], seed) for seed in self.seeds[1:]]
            left += [road.name for run in runs if not self._record(run).exists()]
        return left

    def _check_time(self) -> None:
        if self._end is not None and time.monotonic() >= self._end:
            raise _OutOfTime


def _steps(folder: Path) -> int:
    rows = read_journal(folder / "metrics.jsonl")
    return rows[-1]["step"] if rows else 0
