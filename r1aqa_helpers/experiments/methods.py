"""The methods that are compared: what each one is, and how it is trained, on either track.

A trained method has an algorithm, a prompt, and what differs from the profile's settings; steps,
batches and the rest are the profile's, so that all methods see as many questions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import MAX_NEW_TOKENS, LoadedModel
from r1aqa_helpers.training import Watch, distributed
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.rejection import own_answers
from r1aqa_helpers.training.rewards import RewardFunction, accuracy_reward
from r1aqa_helpers.training.sft import SFTSettings, train_sft
from r1aqa_helpers.utils.errors import UserError

#: What SFT can learn: the labels; a thought before each; a choice drawn at random in place of the
#: label, so that only the format can be learnt; correct answers of the model itself.
ANSWER, THOUGHT, RANDOM, OWN = "answer", "thought", "random", "own"
#: In a run's folder: answers that were sampled before its training.
OWN_ANSWERS = "answers.json"
#: Rank of adapters where the profile has none.
LORA_RANK = 16
#: An adapter's best learning rate is about ten times that of full training: J. Schulman et al.,
#: LoRA Without Regret (Thinking Machines Lab, 2025).
LORA_RATE = 10.0


@dataclass(frozen=True)
class Method:
    """How a model is trained, if it is, and the prompt that it is asked with.

    Attributes:
        name: on the command line, in file names and in records.
        label: in tables and messages.
        prompt: with which it is trained, and asked afterwards.
        algorithm: "sft" or "grpo"; None: not trained here.
        learns: what SFT learns, `ANSWER`, `THOUGHT`, `RANDOM` or `OWN`.
        start: name of the method from whose model, of the same seed, it starts; None: the base.
        changes: settings that differ from the profile's.
        rewards: GRPO's, in place of the prompt's own (`rewards_for`).
        rate: times the common learning rate, the centre of a search.
    """

    name: str
    label: str
    prompt: int
    algorithm: str | None = None
    learns: str = ANSWER
    start: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    rewards: tuple[RewardFunction, ...] | None = None
    rate: float = 1.0

    @property
    def row(self) -> str:
        """Its name in a row of ``results.json``, which has the prompt beside it."""
        return self.label.partition(" <")[0]


#: Rows of the untrained model.
DIRECT_1 = Method("direct-1", "direct <1>", 1)
DIRECT_2 = Method("direct-2", "direct <2>", 2)
ZERO_SHOT = Method("zero-shot-cot", "zero-shot-cot <3>", 3)
BASE = (DIRECT_1, DIRECT_2, ZERO_SHOT)
#: Rows that `reproduce` trains, with the profile's settings as they are.
SFT = Method("sft", "sft <2>", 2, "sft")
GRPO = Method("grpo", "grpo <2>", 2, "grpo")
#: The same with thoughts, where they are known and minutes are few: on the tiny track, at the
#: learning rates that the experiment chose. CoTA's is SFT's.
COTA = Method("cota", "cota <3>", 3, "sft", THOUGHT)
GRPO_3 = Method("grpo-3", "grpo <3>", 3, "grpo", changes={"lr": 1e-4})
#: A model that is trained already: the released one, or another that the user names.
RELEASED = Method("r1-aqa", "r1-aqa <2>", 2)
TRAINED = Method("trained", "trained <2>", 2)

_FULL = {"lora_rank": 0}
#: What the experiment trains, by name. Who starts from another comes after it.
METHODS = {
    method.name: method
    for method in (
        Method("sft", "SFT, full", 2, "sft", changes=_FULL),
        Method("sft-lora", "SFT, LoRA", 2, "sft", changes={"lora_rank": LORA_RANK}, rate=LORA_RATE),
        Method("cota", "SFT on CoTA", 3, "sft", THOUGHT, changes=_FULL),
        Method("sft-random", "SFT on random choices", 2, "sft", RANDOM, changes=_FULL),
        Method("rejection", "SFT on own correct answers", 2, "sft", OWN, changes=_FULL),
        Method("grpo-2", "GRPO <2>", 2, "grpo"),
        Method("grpo-3", "GRPO <3>", 3, "grpo"),
        Method("cold-start", "SFT on CoTA, then GRPO <3>", 3, "grpo", start="cota"),
        Method("sft-grpo", "SFT, then GRPO <2>", 2, "grpo", start="sft"),
        Method("grpo-text-only", "GRPO <2>, text only", 2, "grpo", changes={"text_only": True}),
        Method(
            "grpo-accuracy-only", "GRPO <2>, accuracy alone", 2, "grpo", rewards=(accuracy_reward,)
        ),
    )
}
#: All that the experiment asks, by name: the untrained rows, too.
ROWS = {method.name: method for method in BASE} | METHODS


def pick_method(name: str) -> Method:
    """The trained method of that name. Raises ``UserError`` where there is none."""
    if name not in METHODS:
        raise UserError(f"method {name!r}: unknown, choose one of {', '.join(METHODS)}")
    return METHODS[name]


def method_settings(method: Method, profile: Profile, **others: Any) -> SFTSettings | GRPOSettings:
    """The profile's settings, then the method's, then ``others`` (lr, seed, steps, …).

    With prompt <3>, GRPO's are those of `Profile.for_thinking`. Where the method has an adapter
    and the profile none, or the other way round, the rate follows.
    """
    if method.prompt == 3:
        profile = profile.for_thinking()
    given = profile.sft if method.algorithm == "sft" else profile.grpo
    values = {**given, **method.changes, "prompt": method.prompt}
    factor = {1: LORA_RATE, -1: 1 / LORA_RATE}.get(
        bool(values.get("lora_rank")) - bool(given.get("lora_rank"))
    )
    if factor and "lr" in values:
        values["lr"] *= factor
    if method.algorithm == "sft":
        return SFTSettings(**{**values, **others})
    return GRPOSettings(**{**values, **others})


def random_labels(questions: Sequence[AudioQuestion], seed: int) -> list[AudioQuestion]:
    """The questions, each with one of its choices, drawn at random, as its label."""
    rng = np.random.default_rng(seed)
    return [replace(q, answer=q.choices[int(rng.integers(len(q.choices)))]) for q in questions]


def train_method(
    method: Method,
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    settings: SFTSettings | GRPOSettings,
    out_dir: Path,
    longest: int = MAX_NEW_TOKENS,
    watch: Watch | None = None,
) -> Path:
    """Train ``loaded`` in place; interrupted, the same call goes on.

    ``settings`` are `method_settings`'; ``watch``, what is returned and raised as in `train_sft`
    and `train_grpo`.

    Args:
        loaded: what the method starts from.
        longest: the most tokens of an answer that is sampled to be learnt.
    """
    if isinstance(settings, GRPOSettings):
        return train_grpo(loaded, questions, settings, out_dir, method.rewards, watch)
    if method.learns == RANDOM:
        questions = random_labels(questions, settings.seed)
    elif method.learns == OWN:
        asked = (questions, Path(out_dir) / OWN_ANSWERS, method.prompt, settings.seed, longest)
        questions = distributed.run_on_main(lambda: own_answers(loaded, *asked))
    return train_sft(loaded, questions, settings, out_dir, watch)
