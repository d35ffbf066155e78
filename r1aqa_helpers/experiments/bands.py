"""Where the rows of the tiny track's table come out when they are measured again.

The bands are those of the experiment's row (`summary.MethodRow`): the 95 % prediction interval of
one more seed for a trained row, a point to either side for one that is not trained. They stand in
``data/results/tiny/experiment.json``, too.
"""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1aqa_helpers.experiments.methods import BASE, GRPO, Method
from r1aqa_helpers.experiments.plan import TABLE, UNTRAINED, shared_settings
from r1aqa_helpers.experiments.summary import load_records, summarise
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.scoring.seeds import next_seed
from r1aqa_helpers.training import TrainingSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY_RESULTS
from r1aqa_helpers.utils.run_dir import RUN_FILE
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: What the experiment calls a method of the main job, where that has another name.
_NAMES = {GRPO.name: "grpo-2"}
_TRAIT = re.compile(r"(\w+) of steps (\d+) to (\d+)")


@dataclass(frozen=True)
class Bands:
    """Where a row comes out: its accuracy in percent, and the mean loss of its training."""

    accuracy: tuple[float, float]
    loss: tuple[float, float] | None = None

    def against(self, accuracy: float, loss: float | None = None) -> dict[str, Any]:
        """What was measured beside its band; ``within``: whether all of it lies there."""
        low, high = self.accuracy
        found = {"band": self.accuracy, "within": low <= accuracy <= high}
        if self.loss is None or loss is None:
            return found
        low, high = self.loss
        both = found["within"] and low <= loss <= high
        return {**found, "loss": loss, "loss_band": self.loss, "within": both}


def read_bands(
    profile: Profile,
    model: str,
    test: str,
    settings: Mapping[Method, TrainingSettings],
    folder: Path = TINY_RESULTS,
) -> dict[Method, Bands]:
    """The bands of each method whose run would be one more of the experiment's.

    A method whose model, questions or settings are other than the experiment's has none.

    Args:
        profile: of the run.
        model: `weights_fingerprint` of the base.
        test: `questions_digest` of the test questions.
        settings: of the methods that are trained.
        folder: of the experiment.

    Raises:
        UserError: the folder holds no experiment.
    """
    held = read_json(folder / RUN_FILE)
    own = {
        "settings": shared_settings(profile),
        "max_new_tokens": profile.max_new_tokens,
        "model": model,
    }
    if {name: held[name] for name in own} != own or held["questions"]["test"] != test:
        return {}
    rows = {(row.regime, row.method): row for row in summarise(load_records(folder)).rows}
    found = {method: rows.get((UNTRAINED.name, method.name)) for method in BASE}
    for method, its in settings.items():
        row = rows.get((TABLE.name, _NAMES.get(method.name, method.name)))
        found[method] = row if row is not None and row.rate == its.lr else None
    return {
        method: Bands(row.band, row.loss_band)
        for method, row in found.items()
        if row is not None and row.band is not None
    }


def row_band(
    regime: str, method: str, quantity: str | None = None, folder: Path = TINY_RESULTS
) -> tuple[float, float]:
    """Where a row of the experiment comes out once more.

    Args:
        quantity: by default the accuracy in percent, else of a trained row: a task, such as
            "music", for its accuracy; "won" or "lost", the test questions that only the trained or
            only the untrained model answers correctly; "varied draws", how many groups must be
            drawn in the last fifth for one that varies; or the mean of a trait, such as "format of
            steps 1 to 20".

    Raises:
        UserError: the experiment in ``folder`` has no such row, or one seed of it.
    """
    records = load_records(folder)
    if quantity is None:
        rows = {(row.regime, row.method): row.band for row in summarise(records).rows}
        found = rows.get((regime, method))
    else:
        runs = [r for r in records if (r["regime"], r["method"]) == (regime, method) if "test" in r]
        values = [_measured(quantity, run, records) for run in runs]
        found = next_seed(values) if len(values) > 1 else None
    if found is None:
        raise UserError(f"{shown(folder)}: has no band of {method} in {regime}; run more seeds")
    return found


def _measured(quantity: str, run: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> float:
    """The ``quantity`` of `row_band`, of one seed."""
    if quantity in run["test"]["tasks"]:
        return run["test"]["tasks"][quantity]["accuracy"]
    if quantity in ("won", "lost"):
        (base,) = (
            r for r in records if r["regime"] == UNTRAINED.name and r["prompt"] == run["prompt"]
        )
        pairs = list(zip(run["test"]["matches"], base["test"]["matches"], strict=True))
        return float(pairs.count(("1", "0") if quantity == "won" else ("0", "1")))
    if quantity == "varied draws":
        steps = run["steps"]
        return 1 / (1 - _trait(run, "zero_variance_groups", steps - steps // 5 + 1, steps))
    asked = _TRAIT.fullmatch(quantity)
    if asked is None or asked[1] not in run["traits"]:
        raise UserError(f"{shown_value(quantity)}: is no quantity of a row")
    return _trait(run, asked[1], int(asked[2]), int(asked[3]))


def _trait(run: Mapping[str, Any], name: str, first: int, last: int) -> float:
    """The mean of a trait from the ``first`` to the ``last`` of a run's steps."""
    parts = run["traits"][name]  # means over equal parts of the run
    size = run["steps"] // len(parts)
    return statistics.fmean(parts[(first - 1) // size : last // size])
