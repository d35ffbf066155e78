"""What notebook 06 reads from a run: settings, blocks of steps, groups, kinds, seconds per part.

``scripts/record_checkpoints.py`` writes the checkpoints that are read here.
"""

import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from IPython.utils.capture import capture_output
from safetensors.torch import load_file
from trl import GRPOConfig, GRPOTrainer

from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.course.runs import Run, plan_run
from r1aqa_helpers.course.session import Lab
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.hardware import PROFILES, Profile
from r1aqa_helpers.scoring import Accuracy
from r1aqa_helpers.training.grpo.run import GRPOSettings, audio_grpo_config
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

KEPT = DATA / "course" / "checkpoints.json"

#: What a group is, from its rewards; in a zero-variance group they are equal.
STATES = ("varied", "zero variance, all perfect", "zero variance, all equally short of it")

#: R1-AQA's run: what src/train.py of https://github.com/xiaomi-research/r1-aqa sets, and where it
#: sets nothing the defaults of TRL 0.15.2 and transformers 4.49, on which it ran. Of this library
#: nothing is in here.
PUBLISHED = {
    "steps planned": "1,000",
    "learning rate": "1e-06, linearly to 0 at step 1,000",
    "questions per step": "16: 8 GPUs, one each, twice",
    "answers per question": "8",
    "temperature": "1.0",
    "drawn from": "the 50 likeliest tokens",
    "longest answer": "256 tokens",
    "KL penalty, beta": "0.04",
    "gradient of the KL": "without correction",
    "loss": "mean per answer, then over answers",
    "trained": "all weights",
}


def settings_table(profile: Profile) -> Table:
    """R1-AQA's settings, TRL's defaults of today, and those of the profile's run, side by side."""
    here = plan_run(METHODS["grpo-2"], profile, 0)
    ours = audio_grpo_config("unused", here, use_cpu=True)
    today = {field.name: field.default for field in dataclasses.fields(GRPOConfig)}
    columns = [_of_config(today), _of_config(vars(ours)) | _of_settings(here)]
    rows = [
        (name, told, *(column.get(name, "–") for column in columns))
        for name, told in PUBLISHED.items()
    ]
    heads = ("", "R1-AQA's code", "TRL today, by default", f"this run, profile {profile.name}")
    return Table("Settings of GRPO with prompt <2>", rows, heads)


def _of_config(config: Mapping[str, Any]) -> dict[str, str]:
    """What a configuration of TRL says of the rows of `PUBLISHED`."""
    losses = {"grpo": PUBLISHED["loss"], "dapo": "mean over all tokens together"}
    return {
        "learning rate": f"{config['learning_rate']:.2g}, linearly to 0",
        "answers per question": f"{config['num_generations']}",
        "temperature": f"{config['temperature']}",
        "drawn from": "all tokens" if config["top_k"] == 0 else f"the {config['top_k']} likeliest",
        "longest answer": f"{config['max_completion_length']} tokens",
        "KL penalty, beta": f"{config['beta']}",
        "gradient of the KL": f"with{'' if config['use_bias_correction_kl'] else 'out'} correction",
        "loss": losses.get(config["loss_type"], config["loss_type"]),
    }


def _of_settings(settings: GRPOSettings) -> dict[str, str]:
    lora = f"LoRA of rank {settings.lora_rank}" if settings.lora_rank else "all weights"
    frozen = " but the audio encoder" if settings.encoder_frozen and not settings.lora_rank else ""
    return {
        "steps planned": f"{settings.steps:,}",
        "learning rate": f"{settings.lr:.2g}, linearly to 0 at step {settings.steps:,}",
        "questions per step": f"{settings.prompts_per_step}",
        "trained": lora + frozen,
    }


def profiles_table(names: Sequence[str]) -> Table:
    """What GRPO with prompt <2> is, in size, on each of these profiles."""
    rows = []
    for name in names:
        settings = plan_run(METHODS["grpo-2"], PROFILES[name], 0)
        questions = settings.steps * settings.prompts_per_step
        rows.append(
            (
                name,
                Path(PROFILES[name].model).name if name != "tiny" else "tiny",
                _of_settings(settings)["trained"],
                f"{settings.lr:.0e}",
                f"{settings.steps}",
                f"{questions:,}",
                f"{questions * settings.group_size:,}",
            )
        )
    heads = ("profile", "model", "trained", "rate", "steps", "questions", "answers sampled")
    return Table("A full run by profile", rows, heads)


def blocks(log: Sequence[Mapping[str, Any]], size: int = 20) -> Table:
    """Means over blocks of steps of what a log says, a row per block."""
    columns = {
        "accuracy": "accuracy",
        "format": "format",
        "zero_variance_groups": "zero-variance groups",
        "kl": "KL",
        "completion_length": "tokens per answer",
    }
    rows = []
    for first in range(0, len(log), size):
        part = log[first : first + size]
        means = (sum(row[name] for row in part) / len(part) for name in columns)
        rows.append((f"{first + 1}–{first + len(part)}", *(f"{mean:.2f}" for mean in means)))
    return Table("Means over blocks of steps", rows, ("steps", *columns.values()))


def state(rollout: Rollout, perfect: float = 2.0) -> str:
    """One of `STATES`; ``perfect`` is the most that an answer can earn."""
    if not rollout.zero_variance:
        return STATES[0]
    return STATES[1] if rollout.rewards[0] == perfect else STATES[2]


def counts_by_block(run: RecordedRun, size: int = 10) -> dict[int, dict[str, int]]:
    """How many groups of each state, for every block of ``size`` steps, by its last step."""
    found: dict[int, dict[str, int]] = {}
    for rollout in run.rollouts:
        block = -(-rollout.step // size) * size
        found.setdefault(block, dict.fromkeys(STATES, 0))[state(rollout)] += 1
    return dict(sorted(found.items()))


def by_kind(
    questions: Sequence[AudioQuestion], matches: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Kind of question to how many were correct, of how many; by task where kinds are unknown."""
    found: dict[str, tuple[int, int]] = {}
    for question in questions:
        kind = str(question.extra.get("question-type") or question.task or "all")
        correct, n = found.get(kind, (0, 0))
        found[kind] = correct + matches[question.id], n + 1
    return found


@dataclass(frozen=True)
class Checkpoint:
    """A step's model on the validation questions; step 0 is the model before training."""

    step: int
    validation: Accuracy  #: greedy answers to prompt <2>, by MMAU's matching


def recorded_checkpoints() -> list[Checkpoint]:
    """The kept checkpoints, by step. Prints where they come from."""
    kept = read_json(KEPT)
    print(
        f"{len(kept['checkpoints'])} checkpoints on {kept['n']} validation questions: "
        f"profile tiny, seed {kept['seed']}, {kept['date']}, {kept['hardware']}"
    )
    return [
        Checkpoint(row["step"], Accuracy(row["correct"], kept["n"])) for row in kept["checkpoints"]
    ]


def largest_difference(a: Run, b: Run) -> float:
    """Of any trained weight, between the models that two runs ended with."""
    folders = [run.adapter or run.folder / "model" for run in (a, b)]
    found = 0.0
    for path in sorted(folders[0].glob("*.safetensors")):
        one, other = (load_file(folder / path.name) for folder in folders)
        found = max(found, *(float((one[name] - other[name]).abs().max()) for name in one))
    return found


#: The parts of a step, in their order, and what is timed for each.
PARTS = ("sample", "reward", "log-probabilities", "backward", "optimizer", "the rest")


def time_shares(lab: Lab, steps: int = 3) -> dict[str, float]:
    """Train the profile's model for so many steps, and say what share of the time each part took.

    The run lies in the lab's temporary folder, and is made again in each call.
    """
    kept, lab.runs = lab.runs, lab.folder / "timed"
    shutil.rmtree(lab.runs, ignore_errors=True)
    try:
        with _stopwatch() as seconds, capture_output():
            run = lab.train("grpo-2", steps=steps)
    finally:
        lab.runs = kept
    seconds["the rest"] = max(0.0, run.seconds - sum(seconds.values()))
    total = sum(seconds.values())
    return {name: seconds[name] / total for name in PARTS}


@contextmanager
def _stopwatch() -> Iterator[dict[str, float]]:
    """Seconds by part of `PARTS`, of all that is trained within."""
    seconds = dict.fromkeys(PARTS, 0.0)
    places = (
        ("sample", AudioGRPOTrainer, "sample"),
        ("reward", GRPOTrainer, "_calculate_rewards"),
        ("log-probabilities", AudioGRPOTrainer, "_get_per_token_logps_and_entropies"),
        ("backward", Accelerator, "backward"),
        ("optimizer", torch.optim.AdamW, "step"),
    )

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def within(*args: Any, **named: Any) -> Any:
            begun = _now()
            try:
                return call(*args, **named)
            finally:
                seconds[name] += _now() - begun

        return within

    before = [(kind, method, kind.__dict__.get(method)) for _, kind, method in places]
    for name, kind, method in places:
        setattr(kind, method, timed(name, getattr(kind, method)))
    try:
        yield seconds
    finally:
        for kind, method, own in before:
            if own is None:
                delattr(kind, method)
            else:
                setattr(kind, method, own)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
