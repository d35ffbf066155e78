"""The rollout viewer: every group of a training run, to hear and to read, step by step."""

import statistics

import ipywidgets

from r1aqa_helpers.course.group_rewards import JudgedGroup
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.course.widgets import column, note, show
from r1aqa_helpers.course.widgets.player import Player
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import html


def rollout_viewer(run: RecordedRun, step: int | None = None) -> None:
    """Show the viewer: live with a slider, or, without a kernel, one step's first live group.

    Args:
        step: where to begin; the first one, if not given.

    Raises:
        UserError: the run has no such step.
    """
    viewer = RolloutViewer(run, step)
    rollout, judged = viewer.rollout, viewer.judged()
    plain = f"rollout viewer: steps {run.steps[0]} to {run.steps[-1]}\nstep {rollout.step}: "
    show(viewer.widget, viewer.status() + judged._repr_html_(), plain + repr(judged))


class RolloutViewer:
    """The viewer's state and widgets; ``widget`` is what is displayed."""

    def __init__(self, run: RecordedRun, step: int | None = None) -> None:
        steps = run.steps
        step = steps[0] if step is None else step
        if step not in steps:
            raise UserError(f"step {step}: is not in this run, which has {steps[0]} to {steps[-1]}")
        self.run = run
        looks = {
            "style": {"description_width": "6em"},
            "layout": ipywidgets.Layout(width="46em", max_width="100%"),
        }
        self.slider = ipywidgets.SelectionSlider(
            options=steps, value=step, description="Step", continuous_update=False, **looks
        )
        self.picker = ipywidgets.Dropdown(description="Question", **looks)
        self.figures, self.player, self.table = note(), note(), note()
        self.table.layout.max_width = "100%"
        self.slider.observe(lambda _: self._turn(), names="value")
        self.picker.observe(lambda _: self._show(), names="value")
        self.widget = column([self.slider, self.picker, self.figures, self.player, self.table])
        self._turn()

    @property
    def groups(self) -> list[Rollout]:
        """The groups of the selected step."""
        return self.run.groups(self.slider.value)

    @property
    def rollout(self) -> Rollout:
        """The selected group."""
        return self.groups[self.picker.value]

    def judged(self) -> JudgedGroup:
        """The selected group with its rewards and advantages."""
        return self.rollout.judged(self.run.questions.get(self.rollout.id))

    def status(self) -> str:
        """The step's figures, as HTML."""
        row = next((m for m in self.run.log if m.get("step") == self.slider.value), {})
        same = sum(group.zero_variance for group in self.groups)
        told = f"{same} of {len(self.groups)} groups with zero variance"
        parts = [f"<b>Step {self.slider.value}</b>", told]
        for name, text in (("accuracy", "correct"), ("format", "in the format")):
            if isinstance(row.get(name), int | float):
                parts.append(f"{100 * row[name]:.0f} % of the answers {text}")
        if isinstance(row.get("kl"), int | float):
            parts.append(f"KL {row['kl']:z.3f} nats per token")
        return f"<p>{', '.join(parts)}</p>"

    def _title(self, rollout: Rollout, place: int) -> str:
        question = self.run.questions.get(rollout.id)
        text = rollout.id if question is None else question.question
        rewards = [reward for reward in rollout.rewards if reward is not None]
        same = rollout.zero_variance
        state = "zero variance" if same else f"mean reward {statistics.fmean(rewards):.2f}"
        return f"{place + 1}. {text} ({state})"

    def _turn(self) -> None:
        """Show another step, and its first group with a gradient."""
        groups = self.groups
        self.picker.options = [(self._title(group, i), i) for i, group in enumerate(groups)]
        self.picker.value = next(
            (i for i, group in enumerate(groups) if not group.zero_variance), 0
        )
        self.figures.value = self.status()
        self._show()

    def _show(self) -> None:
        if self.picker.value is None:  # while its options are changed
            return
        self.table.value = self.judged()._repr_html_()
        question = self.run.questions.get(self.rollout.id)
        try:
            heard = "" if question is None else Player(question.audio, self.rollout.id).html()
        except UserError as fault:  # a missing clip; the group can still be read
            heard = f"<p>{html(fault)}</p>"
        self.player.value = heard
