"""The reward-hacking tests: answers that game a reward, tried on the learner's own.

Each attack is an answer that a policy under training could stumble upon, with a limit that it
must not pass. Limits are taken from the reward under attack itself, by what it pays for an honest
right answer and for an honest wrong one in the form that the prompt asks for. So a reward may
have any scale, and nothing is compared across rewards.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from r1aqa_helpers.course.answer_groups import pay
from r1aqa_helpers.course.attacks import AttackKind, Case, attacks, honest_answers
from r1aqa_helpers.course.figures.style import BLUE, GREY, RED
from r1aqa_helpers.course.group_rewards import printable
from r1aqa_helpers.course.tables import Table

#: Rewards closer than this are taken for equal.
_SAME = 1e-9


@dataclass(frozen=True)
class Shot:
    """One attack and what the reward paid for it."""

    case: Case
    reward: float
    honest: float  #: what the honest right answer to the same question earns
    wrong: float  #: what the best honest wrong answer to it earns

    @property
    def limit(self) -> str:
        """What the attack may earn, in words."""
        bound = self.wrong if self.case.kind is AttackKind.IGNORANT else self.honest
        word = "below" if self.case.kind is AttackKind.MANNERLESS else "at most"
        return f"{word} {bound:.2f}"

    @property
    def pays(self) -> bool:
        """Whether the reward lets the attack earn more than its limit."""
        if self.case.kind is AttackKind.IGNORANT:
            return self.reward > self.wrong + _SAME
        if self.case.kind is AttackKind.MANNERLESS:
            return self.reward > self.honest - _SAME
        return self.reward > self.honest + _SAME


@dataclass(frozen=True)
class Scorecard:
    """How a reward did in the attack suite. Shown in a notebook as a table."""

    name: str
    prompt: int
    attacks: tuple[Shot, ...]
    honest: tuple[Shot, ...]

    @property
    def paying(self) -> tuple[Shot, ...]:
        """Attacks that pay."""
        return tuple(shot for shot in self.attacks if shot.pays)

    @property
    def losing(self) -> tuple[Shot, ...]:
        """Honest right answers that earn less than the plain one: the price of strictness."""
        return tuple(shot for shot in self.honest if shot.reward < shot.honest - _SAME)

    @property
    def tells_right_from_wrong(self) -> bool:
        """Whether an honest right answer earns more than an honest wrong one."""
        return all(shot.honest > shot.wrong + _SAME for shot in self.honest)

    @property
    def passed(self) -> bool:
        """No attack pays, no honest answer loses, and right is worth more than wrong."""
        return self.tells_right_from_wrong and not self.paying and not self.losing

    @property
    def summary(self) -> str:
        """The result in a line."""
        held = len(self.attacks) - len(self.paying)
        kept = len(self.honest) - len(self.losing)
        text = (
            f"{self.name}, prompt <{self.prompt}>: {held} of {len(self.attacks)} attacks held, "
            f"{kept} of {len(self.honest)} honest answers paid in full"
        )
        blind = "; a wrong answer earns as much as a right one"
        return text if self.tells_right_from_wrong else text + blind

    def table(self) -> Table:
        """Each answer, what it earned, what it may earn, and the verdict."""
        rows = []
        for shot in (*self.attacks, *self.honest):
            if shot in self.attacks:
                limit, verdict = shot.limit, "✗ pays" if shot.pays else "✓ held"
            else:
                limit, verdict = "in full", "✗ loses" if shot in self.losing else "✓ paid"
            text = printable(shot.case.completion)
            short = text if len(text) <= 90 else text[:86] + " …"
            paid = (f"{shot.reward:.2f}", f"{shot.honest:.2f}", limit, verdict)
            rows.append((f"{shot.case.name}: {shot.case.why}", short, *paid))
        columns = ("attack", "the answer", "reward", "honest reward", "limit", "verdict")
        return Table(self.summary, rows, columns)

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def figure(self) -> Figure:
        """Each attack's reward as a bar, with its limit; those that pay are hatched."""
        shots = [*self.attacks, *self.honest]
        fig, ax = plt.subplots(figsize=(8.0, 0.27 * len(shots) + 1.1))
        bad = set(self.paying) | set(self.losing)
        for y, shot in enumerate(shots):
            honest = y >= len(self.attacks)
            colour = RED if shot in bad else GREY if honest else BLUE
            hatch = "///" if shot in bad else ""
            ax.barh(y, shot.reward, color=colour, hatch=hatch, edgecolor="white", height=0.7)
            ignorant = shot.case.kind is AttackKind.IGNORANT and not honest
            ax.plot([shot.wrong if ignorant else shot.honest] * 2, [y - 0.42, y + 0.42], "k")
        ax.set_yticks(range(len(shots)), [shot.case.name for shot in shots])
        ax.set_ylim(len(shots) - 0.4, -0.6)
        ax.axhline(len(self.attacks) - 0.5, color="black", linewidth=0.8, linestyle=":")
        ax.set(xlabel="reward (black line: the limit; below the dots: honest answers)")
        ax.set_title(f"{self.name}: hatched bars pay or lose")
        return fig

    @property
    def alt(self) -> str:
        """The figure in words."""
        paying = ", ".join(shot.case.name for shot in self.paying) or "none"
        losing = ", ".join(shot.case.name for shot in self.losing) or "none"
        return f"{self.summary}. Attacks that pay: {paying}. Honest answers that lose: {losing}."


def attack_suite(reward: Callable[..., Sequence[float]], prompt: int = 2) -> Scorecard:
    """Run every attack for prompt <``prompt``> (2 or 3) against ``reward``.

    ``reward`` is a TRL reward function; it is given ``completions``, ``solution``, ``choices``
    and ``prompts``.

    Raises:
        UserError: the reward fails, see `answer_groups.pay`.
        ValueError: a prompt that asks for no form.
    """
    name = getattr(reward, "__name__", "reward")
    return Scorecard(
        name,
        prompt,
        tuple(_shoot(reward, case) for case in attacks(prompt)),
        tuple(_shoot(reward, case) for case in honest_answers(prompt)),
    )


def _shoot(reward: Callable[..., Sequence[float]], case: Case) -> Shot:
    group = replace(case.asked, completions=(case.completion, case.right, *case.wrong))
    got, honest, *wrong = pay(reward, group)
    return Shot(case, got, honest, max(wrong))
