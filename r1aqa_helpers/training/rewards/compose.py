"""Rewards made of rewards. What comes out is again a TRL reward function with a name to log."""

from collections.abc import Sequence

from r1aqa_helpers.training.rewards.published import RewardFunction


def named(name: str, reward: RewardFunction) -> RewardFunction:
    """``reward`` under another ``__name__``, which is what TRL logs its mean by."""

    def renamed(completions: Sequence, **columns: object) -> list[float]:
        return reward(completions=completions, **columns)

    renamed.__name__ = name
    return renamed


def weighted(*terms: tuple[float, RewardFunction], name: str | None = None) -> RewardFunction:
    """The sum of rewards, each times its weight: ``weighted((1.0, f), (0.5, g))``.

    TRL sums a list of rewards itself, by ``reward_weights`` of its configuration, and then logs
    each alone; this is for where one function is wanted. Weights may be negative. ``name`` is by
    default made of weights and names, like ``1*f + 0.5*g``. Raises ``ValueError`` without terms.
    """
    if not terms:
        raise ValueError("weighted: at least one (weight, reward) is needed")

    def total(completions: Sequence, **columns: object) -> list[float]:
        each = [reward(completions=completions, **columns) for _, reward in terms]
        weights = [weight for weight, _ in terms]
        return [
            float(sum(w * one for w, one in zip(weights, ones, strict=True)))
            for ones in zip(*each, strict=True)
        ]

    default = " + ".join(f"{weight:g}*{reward.__name__}" for weight, reward in terms)
    return named(name or default, total)


def only_if(condition: RewardFunction, reward: RewardFunction) -> RewardFunction:
    """``reward`` where ``condition`` gives more than 0, else 0: a gate in place of a sum.

    In a sum, what is lost in one term can be made up for in another; behind a gate it cannot.
    """

    def gated(completions: Sequence, **columns: object) -> list[float]:
        gates = condition(completions=completions, **columns)
        rewards = reward(completions=completions, **columns)
        return [one if gate > 0 else 0.0 for gate, one in zip(gates, rewards, strict=True)]

    return named(f"{reward.__name__} if {condition.__name__}", gated)
