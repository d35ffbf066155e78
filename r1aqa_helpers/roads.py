"""The trained rows of the table: what each is, and how it is trained, on either track.

A road is a method, a prompt, and what differs from the profile's settings; steps, batches and
the rest are the profile's, so that all roads see as many questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.grpo.train import GRPOSettings, train_grpo
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.rewards import RewardFunction, accuracy_reward
from r1aqa_helpers.sft import SFTSettings, train_sft

#: Rank of adapters where the profile has none.
LORA_RANK = 16
#: An adapter's best learning rate is about ten times that of full training: J. Schulman et al.,
#: LoRA Without Regret (Thinking Machines Lab, 2025).
LORA_RATE = 10.0


@dataclass(frozen=True)
class Road:
    """One way from the base model to a trained one.

    Attributes:
        name: on the command line and in file names.
        label: in tables.
        method: "sft" or "grpo".
        prompt: with which it is trained, and asked afterwards.
        changes: settings that differ from the profile's.
        rewards: GRPO's, in place of the prompt's own (`rewards_for`).
        rate: times the common learning rate, the centre of a search.
    """

    name: str
    label: str
    method: str
    prompt: int
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    rewards: tuple[RewardFunction, ...] | None = None
    rate: float = 1.0

    @property
    def reasoned(self) -> bool:
        """Whether it learns ``extra["reasoning"]`` of the questions."""
        return self.method == "sft" and self.prompt == 3


_ROADS = (
    Road("sft", "SFT, full", "sft", 2, {"lora_rank": 0}),
    Road("sft-lora", "SFT, LoRA", "sft", 2, {"lora_rank": LORA_RANK}, rate=LORA_RATE),
    Road("cota", "SFT on CoTA", "sft", 3, {"lora_rank": 0}),
    Road("grpo-2", "GRPO <2>", "grpo", 2),
    Road("grpo-3", "GRPO <3>", "grpo", 3),
    Road("grpo-text-only", "GRPO <2>, text only", "grpo", 2, {"text_only": True}),
    Road("grpo-accuracy-only", "GRPO <2>, accuracy alone", "grpo", 2, rewards=(accuracy_reward,)),
)
ROADS = {road.name: road for road in _ROADS}


def pick_road(name: str) -> Road:
    """The road of that name. Raises ``UserError`` where there is none."""
    if name not in ROADS:
        raise UserError(f"road {name!r}: unknown, choose one of {', '.join(ROADS)}")
    return ROADS[name]


def road_settings(road: Road, profile: Profile, **others: Any) -> SFTSettings | GRPOSettings:
    """The road's settings: the profile's, then the road's, then ``others`` (lr, seed, steps, …).

    Thinking may take as many tokens in training as it may when the model is asked. Where the road
    has an adapter and the profile none, or the other way round, the rate follows.
    """
    given = profile.sft if road.method == "sft" else profile.grpo
    values = {**given, **road.changes, "prompt": road.prompt}
    factor = {1: LORA_RATE, -1: 1 / LORA_RATE}.get(
        bool(values.get("lora_rank")) - bool(given.get("lora_rank"))
    )
    if factor and "lr" in values:
        values["lr"] *= factor
    if road.method == "sft":
        return SFTSettings(**{**values, **others})
    if road.prompt == 3:
        values["max_completion"] = profile.max_new_tokens
    return GRPOSettings(**{**values, **others})


def train_road(
    road: Road,
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: SFTSettings | GRPOSettings,
    out_dir: Path,
) -> Path:
    """Train ``loaded`` in place; interrupted, the same call goes on.

    ``settings`` are `road_settings`'; returns and raises as `train_sft` and `train_grpo`.
    """
    if road.method == "sft":
        return train_sft(loaded, questions, settings, out_dir)
    return train_grpo(loaded, questions, settings, out_dir, rewards=road.rewards)
