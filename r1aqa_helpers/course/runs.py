"""The training runs of the notebooks: what each is, where it lies, and whether it fits the GPU."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from datasets.fingerprint import Hasher

from r1aqa_helpers.course.recorded_run import RecordedRun, read_rollouts
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.experiments.methods import Method, method_settings
from r1aqa_helpers.experiments.records import questions_digest
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.hardware.budgets import PARTS, budget
from r1aqa_helpers.hardware.memory import HEADROOM
from r1aqa_helpers.training import TrainingSettings
from r1aqa_helpers.training.grpo.run import GRPOSettings
from r1aqa_helpers.training.sft import SFTSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash, json_digest, read_log
from r1aqa_helpers.utils.locks import lock

_SECONDS = 1.0  # between two looks at a lock


@dataclass(frozen=True, repr=False)
class Run(RecordedRun):
    """A training that a notebook made, or found finished; see `Lab.train`."""

    method: Method
    base: str  #: folder or name of the model that it started from

    def __repr__(self) -> str:
        return f"run {self.folder.name}"

    @property
    def adapter(self) -> Path | None:
        """The folder of its adapter; None where all weights were trained."""
        folder = self.folder / "adapter"
        return folder if folder.is_dir() else None


def open_run(folder: Path, method: Method, base: str, questions: Sequence[AudioQuestion]) -> Run:
    """The run in ``folder``, finished or not.

    Raises:
        UserError: its log is damaged.
    """
    by_id = {question.id: question for question in questions}
    return Run(
        folder, read_log(folder / "metrics.jsonl"), read_rollouts(folder), by_id, method, base
    )


def plan_run(
    method: Method, profile: Profile, seed: int, steps: int | None = None, **changes: Any
) -> SFTSettings | GRPOSettings:
    """The settings of a run: the profile's, with what the method and ``changes`` set.

    Of its steps and of the tokens of an answer a profile's numbers are the most. Where the
    profile trains adapters, every method does.

    Raises:
        UserError: a setting that the method has not, or a run that does not fit the GPU that
            the profile is meant for.
    """
    kind = SFTSettings if method.algorithm == "sft" else GRPOSettings
    known = {one.name for one in fields(kind)} - {"prompt", "seed"}
    for name in changes:
        if name not in known:
            raise UserError(f"{method.name}: has no setting {name!r}; choose of {sorted(known)}")
    usual = profile.sft if method.algorithm == "sft" else profile.grpo
    if usual.get("lora_rank"):
        others = {name: v for name, v in method.changes.items() if name != "lora_rank"}
        method = replace(method, changes=others)
    most = usual["steps"]
    changes["steps"] = min(steps or most, most)
    if "max_completion" in usual:
        longest = usual["max_completion"]
        changes["max_completion"] = min(changes.get("max_completion", longest), longest)
    settings = method_settings(method, profile, seed=seed, **changes)
    _check_budget(profile, method, settings)
    return settings


def _check_budget(profile: Profile, method: Method, settings: TrainingSettings) -> None:
    """Raise ``UserError`` where training, or asking afterwards, does not fit the GPU."""
    part = "sft" if method.algorithm == "sft" else "grpo"
    planned: dict[str, Any] = {part: {**getattr(profile, part), **asdict(settings)}}
    plan = budget(replace(profile, **planned))
    if plan.gpu_memory is None:
        return
    stages = (*PARTS["answering"], *PARTS[part])
    needed = max(sum(plan.stages[stage].values()) for stage in stages)
    if needed > (1 - HEADROOM) * plan.gpu_memory:
        raise UserError(
            f"{method.name}: would need {needed / 1e9:.1f} GB and a tenth to spare, a {plan.gpu} "
            f"has {plan.gpu_memory / 1e9:.0f}; leave the settings of profile {profile.name}"
        )


def run_name(
    name: str,
    settings: TrainingSettings,
    questions: Sequence[AudioQuestion],
    base: str,
    rewards: Sequence[Any] | None,
) -> str:
    """What a run's folder is called: alike only where the same call would train the same."""
    rest = settings.recorded() | {
        "questions": questions_digest(questions),
        "base": _model_digest(base),
        "rewards": rewards and Hasher.hash([*rewards]),
    }
    ending = json_digest(json.dumps(rest, sort_keys=True, default=str))[:8]
    return f"{name}-{settings.steps}-steps-seed-{settings.seed}-{ending}"


def _model_digest(base: str) -> str:
    weights = Path(base) / "model.safetensors"
    return file_hash(weights) if weights.is_file() else base


@contextmanager
def taking_turns(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock ``path`` within; wait for another notebook that holds it."""
    told = False
    while True:
        with lock(path) as held:
            if held:
                yield
                return
        if not told:
            print(f"{doing}: another notebook is at it; this one waits", file=sys.stderr)
            told = True
        time.sleep(_SECONDS)
