"""Where the rows of the tiny track's table come out when they are measured again.

The bands are those of the experiment's row (`summary.MethodRow`): the 95 % prediction interval of
one more seed for a trained row, a point to either side for one that is not trained. They stand in
``data/results/tiny/experiment.json``, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1aqa_helpers.experiments.methods import BASE, GRPO, Method
from r1aqa_helpers.experiments.plan import TABLE, UNTRAINED, shared_settings
from r1aqa_helpers.experiments.summary import load_records, summarise
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.training import TrainingSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY_RESULTS
from r1aqa_helpers.utils.run_dir import RUN_FILE
from r1aqa_helpers.utils.untrusted import shown

#: What the experiment calls a method of the main job, where that has another name.
_NAMES = {GRPO.name: "grpo-2"}


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


def row_band(regime: str, method: str, folder: Path = TINY_RESULTS) -> tuple[float, float]:
    """Where the accuracy of a row of the experiment comes out once more, in percent.

    Raises:
        UserError: the experiment in ``folder`` has no such row, or one seed of it.
    """
    rows = {(row.regime, row.method): row.band for row in summarise(load_records(folder)).rows}
    found = rows.get((regime, method))
    if found is None:
        raise UserError(f"{shown(folder)}: has no band of {method} in {regime}; run more seeds")
    return found
