"""The reward playground: move weights, write a reward, and watch groups change.

The learner's code runs in the learner's own kernel, as a cell would.
"""

import math
import re
from collections.abc import Callable, Sequence

import ipywidgets

from r1aqa_helpers.course.answer_groups import AnswerGroup
from r1aqa_helpers.course.group_rewards import JudgedGroup, Rewards, by_name, judge
from r1aqa_helpers.course.widgets import column, note, say, show
from r1aqa_helpers.training.rewards import RewardFunction
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import html

#: The name that the edited reward has in tables.
OWN = "your reward"

STARTER = '''def my_reward(completions, solution, choices, **columns):
    """One number per completion; try your own rule."""
    return [float(len(text.split()) <= 3) for text in completions]
'''


def playground(groups: Sequence[AnswerGroup], rewards: Rewards) -> None:
    """Show the playground for these groups: live, or as a table where there is no kernel.

    Args:
        groups: the first one is shown at the start.
        rewards: functions; each has a slider for its weight, which starts at 1.
    """
    made = Playground(groups, rewards)
    judged = made.judged()
    show(made.widget, summary(judged) + judged[0]._repr_html_(), repr(judged[0]))


def compile_reward(source: str) -> RewardFunction:
    """The last function that ``source`` defines, with ``re`` and ``math`` at hand.

    Raises:
        UserError: in one line, where the source does not run or defines no function.
    """
    space: dict[str, object] = {"re": re, "math": math}
    before = set(space)
    try:
        exec(compile(source, "<your reward>", "exec"), space)
    except Exception as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        message = next(iter(str(error).splitlines()), "")
        raise UserError(f"{type(error).__name__}{line}: {message}") from error
    functions = [value for name, value in space.items() if name not in before and callable(value)]
    if not functions:
        raise UserError("no function is defined; begin with def my_reward(completions, ...):")
    return functions[-1]


def summary(judged: Sequence[JudgedGroup]) -> str:
    """HTML: which groups have zero variance, as a row of signs with words beside it."""
    equal = sum(one.zero_variance for one in judged)
    signs = "".join("○" if one.zero_variance else "●" for one in judged)
    return (
        f"<p><b>{equal} of {len(judged)} groups have zero variance</b> "
        f'<span aria-hidden="true">{signs}</span></p>'
    )


class Playground:
    """The live playground's state and widgets; ``widget`` is what is displayed."""

    def __init__(self, groups: Sequence[AnswerGroup], rewards: Rewards) -> None:
        self.groups = list(groups)
        self.rewards = by_name(rewards)
        self.own: Callable | None = None
        layout = {"width": "46em", "max_width": "100%"}
        looks = {"style": {"description_width": "14em"}, "layout": layout}
        names = [(f"{i}. {g.question}", i - 1) for i, g in enumerate(self.groups, 1)]
        self.picker = ipywidgets.Dropdown(options=names, description="Question", **looks)
        self.sliders = {
            name: ipywidgets.FloatSlider(
                value=0.0 if name == OWN else 1.0,
                min=-2.0,
                max=2.0,
                step=0.25,
                description=f"Weight of {name}",
                continuous_update=False,
                **looks,
            )
            for name in [*self.rewards, OWN]
        }
        self.source = ipywidgets.Textarea(
            value=STARTER,
            description="Source of your reward",
            style=looks["style"],
            layout={**layout, "height": "8em"},
        )
        self.run = ipywidgets.Button(
            description="Use your reward", tooltip="Run the source and set its weight to 1"
        )
        self.status, self.table = note(), note()
        self.table.layout.max_width = "100%"
        self.run.on_click(lambda _: self.use_source())
        for control in (self.picker, *self.sliders.values()):
            control.observe(lambda _: self.refresh(), names="value")
        self.widget = column(
            [self.picker, *self.sliders.values(), self.source, self.run, self.status, self.table]
        )
        self.refresh()

    def judged(self) -> list[JudgedGroup]:
        """All groups with the current weights. Raises as ``judge`` does."""
        rewards = self.rewards if self.own is None else {**self.rewards, OWN: self.own}
        weights = {name: slider.value for name, slider in self.sliders.items()}
        return [judge(group, rewards, weights) for group in self.groups]

    def use_source(self) -> None:
        """Run the text area's source on all groups; an error becomes one line."""
        try:
            own = compile_reward(self.source.value)
            for group in self.groups:
                judge(group, own)
        except UserError as error:
            say(self.status, f"✗ {html(error)}")
            return
        self.own = own
        if self.sliders[OWN].value == 0:
            self.sliders[OWN].value = 1.0  # which refreshes
        else:
            self.refresh()

    def refresh(self) -> None:
        """Compute everything again and show it."""
        try:
            judged = self.judged()
        except UserError as error:
            say(self.status, f"✗ {html(error)}")
            return
        say(self.status, summary(judged))
        self.table.value = judged[self.picker.value]._repr_html_()
