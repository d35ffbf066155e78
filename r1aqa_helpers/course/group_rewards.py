"""Rewards and advantages of a group of answers: as numbers, as text, as HTML."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from r1aqa_helpers.course.answer_groups import AnswerGroup, apply_reward
from r1aqa_helpers.course.figures.style import BLUE, ORANGE
from r1aqa_helpers.course.tables import LEFT
from r1aqa_helpers.training.grpo.objective import group_advantages
from r1aqa_helpers.training.rewards import name_of, weighted_sum
from r1aqa_helpers.utils.untrusted import html, plain, plain_lines

#: Rewards by the name to show, or as functions that have one.
Rewards = Mapping[str, Callable] | Sequence[Callable] | Callable

#: The longest bar of an advantage, in pixels, and the advantage that fills it.
_BAR, _FULL = 60, 2.5


@dataclass(frozen=True)
class JudgedGroup:
    """A group with each reward, the weighted sums, and GRPO's advantages.

    Shown in a notebook as a table with one row per completion.
    """

    group: AnswerGroup
    parts: dict[str, list[float | None]]  #: by the reward's name, unweighted; None: abstains
    weights: dict[str, float]
    totals: list[float | None]
    advantages: list[float]

    @property
    def zero_variance(self) -> bool:
        """Whether all sums are equal, so that no answer is reinforced."""
        return len(set(self.totals) - {None}) < 2

    def _repr_html_(self) -> str:
        named = [
            name if weight == 1 else f"{weight:g} × {name}" for name, weight in self.weights.items()
        ]
        heads = "".join(
            f'<th scope="col" {LEFT}>{html(head)}</th>'
            for head in ("completion", *named, "sum", "advantage")
        )
        rows = ""
        for i, text in enumerate(self.group.completions):
            cells = [f"<code>{html(printable(text))}</code>"]
            cells += [number(part[i]) for part in self.parts.values()]
            cells += [f"<b>{number(self.totals[i])}</b>", _bar(self.advantages[i])]
            rows += "<tr>" + "".join(f"<td {LEFT}>{cell}</td>" for cell in cells) + "</tr>"
        asked = f"{self.group.question} {list(self.group.choices)} Correct: {self.group.answer}"
        verdict = " <b>All rewards are equal: every advantage is 0.</b>"
        return (
            f"<table><caption {LEFT}>{html(asked)}{verdict if self.zero_variance else ''}"
            f"</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def __repr__(self) -> str:
        rows = zip(map(number, self.totals), self.advantages, self.group.completions, strict=True)
        lines = [f"{total:>6} {signed(adv)}  {printable(text)}" for total, adv, text in rows]
        return plain_lines(
            "\n".join([f"{self.group.question} Correct: {self.group.answer}", *lines])
        )


def judge(
    group: AnswerGroup, rewards: Rewards, weights: Mapping[str, float] | None = None
) -> JudgedGroup:
    """Put the rewards to a group, add them up by weight, and compute the advantages.

    Args:
        weights: by the reward's name; 1 where it has none here.

    Raises:
        UserError: a reward fails, see `answer_groups.apply_reward`.
    """
    named = by_name(rewards)
    weights = {name: float((weights or {}).get(name, 1.0)) for name in named}
    parts = {name: apply_reward(reward, group) for name, reward in named.items()}
    sums = [weighted_sum(list(weights.values()), one) for one in zip(*parts.values(), strict=True)]
    # Rounded, so that sums which differ in the last bit only do not count as variance.
    totals = [None if one is None else round(one, 9) for one in sums]
    return JudgedGroup(group, parts, weights, totals, _advantages(totals))


def _advantages(totals: Sequence[float | None]) -> list[float]:
    """As TRL has them: 0 for what no reward judges, and the others are a group without it."""
    judged = [total for total in totals if total is not None]
    if len(judged) < 2:
        return [0.0] * len(totals)
    found = group_advantages(torch.tensor(judged, dtype=torch.float64), len(judged)).tolist()
    return [0.0 if total is None else found.pop(0) for total in totals]


def by_name(rewards: Rewards) -> dict[str, Callable]:
    """Rewards with the names to show them by; a second one of a name gets a number."""
    if isinstance(rewards, Mapping):
        return dict(rewards)
    named: dict[str, Callable] = {}
    for reward in rewards if isinstance(rewards, Sequence) else [rewards]:
        base = name = name_of(reward)
        while name in named:
            name = f"{base} {len(named) + 1}"
        named[name] = reward
    return named


def printable(text: str) -> str:
    """``text`` on one line, its line ends as bent arrows."""
    return plain(text.replace("\n", "↵"), None)


def number(reward: float | None) -> str:
    """Two decimals, or a dash for a reward that abstains."""
    return "–" if reward is None else f"{reward:.2f}"


def signed(number: float) -> str:
    """Two decimals with a sign, and 0 without one."""
    text = f"{number:+.2f}"
    return " 0.00" if text in ("+0.00", "-0.00") else text


def _bar(advantage: float) -> str:
    """The number, and a bar to the left or right of a middle line."""
    width = round(min(abs(advantage) / _FULL, 1) * _BAR)
    left = _BAR - width if advantage < 0 else _BAR
    colour = ORANGE if advantage < 0 else BLUE
    return (
        '<span style="white-space:nowrap">'
        f'<span style="display:inline-block;width:3.2em">{signed(advantage)}</span>'
        f'<span aria-hidden="true" style="display:inline-block;width:{2 * _BAR}px">'
        f'<span style="display:inline-block;height:0.7em;width:{width}px;'
        f'margin-left:{left}px;background:{colour}"></span></span></span>'
    )
