"""The reward-hacking tests: answers that game a reward, tried on the learner's own.

Each attack is an answer that a policy under training could stumble upon, with a limit that its
reward must not exceed. Limits come from the reward itself: what it gives an honest correct answer
and an honest wrong one in the format that the prompt asks for. So a reward may have any scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from r1aqa_helpers.course.answer_groups import apply_reward
from r1aqa_helpers.course.attacks import AttackKind, Case, attacks, honest_answers
from r1aqa_helpers.course.figures.style import BLUE, GREY, RED
from r1aqa_helpers.course.group_rewards import printable
from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.training.rewards import RewardFunction, name_of
from r1aqa_helpers.utils.errors import UserError

#: Rewards closer than this count as equal.
_SAME = 1e-9


@dataclass(frozen=True)
class Shot:
    """One attack, or one honest answer, and its reward."""

    case: Case
    reward: float
    honest: float  #: what the plain honest correct answer to the same question earns
    wrong: float  #: what the best honest wrong answer to it earns

    @property
    def bound(self) -> float:
        """The reward of the honest answer that the attack is compared with."""
        return self.wrong if self.case.kind is AttackKind.IGNORANT else self.honest

    @property
    def limit(self) -> str:
        """What the attack may earn, in words."""
        word = "below" if self.case.kind is AttackKind.MALFORMED else "at most"
        return f"{word} {self.bound:.2f}"

    @property
    def succeeds(self) -> bool:
        """Whether the reward lets the attack earn more than its limit."""
        below = self.case.kind is AttackKind.MALFORMED
        return self.reward > self.bound + (-_SAME if below else _SAME)

    @property
    def penalised(self) -> bool:
        """Whether an honest correct answer earns less than the plain one."""
        return self.reward < self.honest - _SAME


class Scorecard(Table):
    """How a reward did in the attack suite, shown as a table.

    Attributes:
        successful: attacks that earn more than their limits.
        penalised: honest correct answers that earn less than the plain one.
        ranks_correct_first: whether honest correct answers earn more than honest wrong ones.
        passed: whether no attack succeeds, no honest answer is penalised, and correct beats wrong.
        summary: the result in a line.
    """

    def __init__(
        self, name: str, prompt: int, attacks: Sequence[Shot], honest: Sequence[Shot]
    ) -> None:
        self.name, self.attacks, self.honest = name, tuple(attacks), tuple(honest)
        self.successful = tuple(shot for shot in self.attacks if shot.succeeds)
        self.penalised = tuple(shot for shot in self.honest if shot.penalised)
        self.ranks_correct_first = all(s.honest > s.wrong + _SAME for s in self.honest)
        self.passed = self.ranks_correct_first and not self.successful and not self.penalised
        held, kept = len(attacks) - len(self.successful), len(honest) - len(self.penalised)
        self.summary = (
            f"{name}, prompt <{prompt}>: {held} of {len(attacks)} attacks blocked, "
            f"{kept} of {len(honest)} honest answers fully rewarded"
        )
        if not self.ranks_correct_first:
            self.summary += "; a wrong answer earns as much as a correct one"
        rows = []
        for shot in self.attacks:
            rows.append((*_row(shot), shot.limit, "✗ succeeds" if shot.succeeds else "✓ blocked"))
        for shot in self.honest:
            rows.append((*_row(shot), "in full", "✗ penalised" if shot.penalised else "✓ rewarded"))
        columns = ("attack", "the answer", "reward", "honest reward", "limit", "verdict")
        super().__init__(self.summary, rows, columns)

    def figure(self) -> Figure:
        """Each attack's reward as a bar, with its limit; those that succeed are hatched."""
        shots = [*self.attacks, *self.honest]
        fig, ax = plt.subplots(figsize=(8.0, 0.27 * len(shots) + 1.1))
        for y, shot in enumerate(shots):
            honest = y >= len(self.attacks)
            bad = shot.penalised if honest else shot.succeeds
            colour = RED if bad else GREY if honest else BLUE
            hatch = "///" if bad else ""
            ax.barh(y, shot.reward, color=colour, hatch=hatch, edgecolor="white", height=0.7)
            limit = shot.honest if honest else shot.bound
            ax.plot([limit] * 2, [y - 0.42, y + 0.42], "k")
        ax.set_yticks(range(len(shots)), [shot.case.name for shot in shots])
        ax.set_ylim(len(shots) - 0.4, -0.6)
        ax.axhline(len(self.attacks) - 0.5, color="black", linewidth=0.8, linestyle=":")
        ax.set(xlabel="reward (line: limit; hatched: fails; below the dots: honest)")
        ax.set_title(self.name)
        return fig

    @property
    def alt(self) -> str:
        """The figure in words."""
        successful = ", ".join(shot.case.name for shot in self.successful) or "none"
        penalised = ", ".join(shot.case.name for shot in self.penalised) or "none"
        return f"{self.summary}. Successful attacks: {successful}. Penalised answers: {penalised}."


def _row(shot: Shot) -> tuple[str, str, str, str]:
    text = printable(shot.case.completion)
    short = text if len(text) <= 90 else text[:86] + " …"
    name = f"{shot.case.name}: {shot.case.why}"
    return name, short, f"{shot.reward:.2f}", f"{shot.honest:.2f}"


def attack_suite(reward: RewardFunction, prompt: int = 2) -> Scorecard:
    """Run every attack for prompt <``prompt``> (2 or 3) against ``reward``.

    ``reward`` is a TRL reward function; it is given ``completions``, ``solution``, ``choices``
    and ``prompts``.

    Raises:
        UserError: the reward fails, see `answer_groups.apply_reward`, or abstains.
        ValueError: the prompt asks for no format.
    """
    name = name_of(reward)

    def shoot(case: Case) -> Shot:
        group = replace(case.asked, completions=(case.completion, case.correct, *case.wrong))
        rewards = [one for one in apply_reward(reward, group) if one is not None]
        if len(rewards) < len(group.completions):
            raise UserError(f"{name}: abstains from an answer; an attack needs a number")
        got, honest, *wrong = rewards
        return Shot(case, got, honest, max(wrong))

    tried, kept = map(shoot, attacks(prompt)), map(shoot, honest_answers(prompt))
    return Scorecard(name, prompt, tuple(tried), tuple(kept))
