"""The budget calculator: settings in; memory, least minutes and cost of a GRPO run out.

All arithmetic is ``r1aqa_helpers.budgets``'s; here stand only the controls and the tables.
"""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets

from r1aqa_helpers.budgets import GPUS, HEADROOM, MEANT_FOR, Budget, Figure, budget
from r1aqa_helpers.budgets.shown import precision, trained
from r1aqa_helpers.course.widgets import column, note, say, show
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.profiles import PROFILES, Profile

GB = 1e9
#: Audio tokens of a second of sound: 100 frames, four of which make a token.
TOKENS_PER_SECOND = 25
#: What is trained: the profile's own choice, or the other one.
TRAINS = ("as the profile", "LoRA of rank 16", "all of the language model")
#: Stages of a GRPO run.
_STAGES = ("grpo rollout", "grpo update")
_SHARED_OUT = (1, 2, 4, 8)


@dataclass(frozen=True)
class Estimate:
    """A GRPO run's budget.

    Attributes:
        profile: with the settings as chosen.
        budget: as ``budgets.budget`` computes it.
        price: of one GPU for one hour, in the learner's money; 0: not given.
    """

    profile: Profile
    budget: Budget
    price: float = 0.0

    @property
    def stage(self) -> str:
        """The stage that takes the most memory."""
        return max(_STAGES, key=lambda name: sum(self.budget.stages[name].values()))

    @property
    def parts(self) -> Mapping[str, int]:
        """Bytes of each part of that stage, on each GPU, without those that are nothing."""
        return {name: size for name, size in self.budget.stages[self.stage].items() if size}

    @property
    def peak(self) -> int:
        """Bytes at the largest stage, on each GPU."""
        return sum(self.parts.values())

    @property
    def room(self) -> float:
        """Bytes of a GPU that can be counted on."""
        return (1 - HEADROOM) * (self.budget.gpu_memory or 0)

    @property
    def fits(self) -> bool:
        """Whether the largest stage has room."""
        return self.peak <= self.room

    @property
    def minutes(self) -> Figure:
        """Of the training."""
        return self.budget.minutes["grpo"]

    @property
    def gpu_hours(self) -> float:
        """Hours of all GPUs together."""
        return self.minutes.value / 60 * self.budget.gpus

    @property
    def cost(self) -> float:
        """GPU-hours times the price."""
        return self.gpu_hours * self.price


def estimate(
    profile: str = "a100",
    gpu: str | None = None,
    *,
    gpus: int = 1,
    trains: str = TRAINS[0],
    price: float = 0.0,
    seconds: float = 10.0,
    answer: int = 9,
    **settings: int,
) -> Estimate:
    """What a GRPO run takes.

    Args:
        profile: one that is meant for a listed GPU.
        gpu: one of ``budgets.GPUS``; by default the profile's own.
        gpus: so many of it, with the whole model on each.
        trains: one of ``TRAINS``; all weights are trained in float32, as in ``h200-full``.
        price: of one GPU for one hour.
        seconds: of a clip; ``answer``: tokens of a typical answer, which the minutes count.
        settings: of GRPO, in place of the profile's: steps, prompts_per_step, group_size,
            max_completion (tokens of the longest answer, which the memory counts).

    Raises:
        UserError: something unknown, or settings that do not go together.
    """
    if profile not in MEANT_FOR:
        raise UserError(f"profile {profile!r}: choose one of {', '.join(MEANT_FOR)}")
    gpu = gpu or MEANT_FOR[profile]
    if gpu not in GPUS:
        raise UserError(f"GPU {gpu!r}: choose one of {', '.join(GPUS)}")
    if price < 0 or min(seconds, answer, gpus) <= 0:
        raise UserError(
            f"price {price:g}, clip of {seconds:g} s, answer of {answer} tokens, {gpus} GPUs: a "
            "price cannot be below zero, and of the others there must be some"
        )
    chosen = _with(PROFILES[profile], trains, settings)
    if chosen.grpo["max_completion"] < answer:
        raise UserError(
            f"a typical answer of {answer} tokens is longer than the longest, "
            f"{chosen.grpo['max_completion']}: raise max_completion"
        )
    if chosen.dtype == "bfloat16" and not GPUS[gpu].bf16:
        raise UserError(f"{gpu}: does not compute in bfloat16 itself; profile t4 uses float16")
    if chosen.sft["batch_size"] % gpus:
        # Of GRPO alone is asked here; a step of SFT need not come out even as well.
        chosen = replace(chosen, sft={**chosen.sft, "batch_size": gpus})
    audio = round(TOKENS_PER_SECOND * seconds)
    found = budget(chosen, gpu, gpus=gpus, audio=audio, answer=answer)
    return Estimate(chosen, found, price)


def _with(profile: Profile, trains: str, settings: Mapping[str, int]) -> Profile:
    """The profile with other settings of GRPO, and with what is trained."""
    if trains not in TRAINS:
        raise UserError(f"trains {trains!r}: choose one of {', '.join(TRAINS)}")
    known = {"steps", "prompts_per_step", "group_size", "max_completion"}
    for name, value in settings.items():
        if name not in known:
            raise UserError(f"setting {name!r}: choose among {', '.join(sorted(known))}")
        if value < 1:
            raise UserError(f"{name}: at least 1 is needed, not {value}")
    grpo: dict[str, Any] = {**profile.grpo, **settings}
    if trains == TRAINS[1]:
        grpo |= {"lora_rank": 16, "optim": "adamw_torch"}
        whole = profile.dtype == "float32"
        return replace(profile, grpo=grpo, dtype="bfloat16" if whole else profile.dtype)
    if trains == TRAINS[2]:
        if profile.quantise:
            raise UserError(
                f"profile {profile.name}: weights in 4 bits cannot be trained themselves; "
                "keep LoRA, or take another profile"
            )
        return replace(profile, grpo={**grpo, "lora_rank": 0}, dtype="float32")
    return replace(profile, grpo=grpo)


def as_table(one: Estimate) -> str:
    """HTML: the largest stage part by part, minutes and cost; each figure says what it is."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th><td>{text}</td></tr>'
        for name, text in _rows(one)
    )
    return (
        f'<p>{html.escape(verdict(one))}</p><table><caption style="text-align:left">'
        f"{html.escape(_title(one))}</caption><tbody>{rows}</tbody></table>"
    )


def as_text(one: Estimate) -> str:
    """The same for a terminal."""
    lines = [_title(one), *(f"  {name}: {text}" for name, text in _rows(one)), verdict(one)]
    return "\n".join(lines)


def verdict(one: Estimate) -> str:
    """One line: whether it fits."""
    sign, word = ("✓", "fits") if one.fits else ("✗", "does not fit")
    return (
        f"{sign} {word}: {one.peak / GB:.1f} GB computed, and of {one.budget.gpu}'s "
        f"{one.budget.gpu_memory / GB:.0f} GB {one.room / GB:.1f} can be counted on"
    )


def _title(one: Estimate) -> str:
    grpo = one.profile.grpo
    return (
        f"{one.profile.name} on {one.budget.gpus} x {one.budget.gpu}: {trained(one.profile)}; "
        f"{precision(one.profile)}; {grpo['steps']} steps of {grpo['prompts_per_step']} questions "
        f"x {grpo['group_size']} answers"
    )


def _rows(one: Estimate) -> list[tuple[str, str]]:
    least = "at least " if one.minutes.at_least else ""
    source = one.minutes.source
    rows = [(name, f"{size / GB:.2f} GB") for name, size in one.parts.items()]
    rows.append((f"together, per GPU ({one.stage})", f"{one.peak / GB:.1f} GB, computed"))
    rows.append(("training", f"{least}{one.minutes.value:.1f} minutes, {source}"))
    rows.append(("GPU-hours", f"{least}{one.gpu_hours:.2f}, {source}"))
    cost = (
        f"{least}{one.cost:.2f}, at {one.price:.2f} per GPU-hour" if one.price else "no price given"
    )
    return [*rows, ("cost", cost)]


def calculator(profile: str = "a100", price: float = 0.0) -> None:
    """Show the calculator: live, or as the table of its start where there is no kernel.

    Args:
        profile: that it starts with.
        price: of one GPU for one hour, in your money; 0: cost is left out.
    """
    made = Calculator(profile, price)
    show(made.widget, as_table(made.estimate()), as_text(made.estimate()))


class Calculator:
    """The live calculator's state and widgets; ``widget`` is what is displayed."""

    def __init__(self, profile: str = "a100", price: float = 0.0) -> None:
        first = estimate(profile, price=price)
        self.profile = self._choice("Profile", list(MEANT_FOR), profile)
        self.gpu = self._choice("GPU", list(GPUS), first.budget.gpu)
        self.gpus = self._choice("Number of GPUs", list(_SHARED_OUT), 1)
        self.trains = self._choice("Trains", list(TRAINS), TRAINS[0])
        self.settings = {
            "steps": self._number("Steps", 1, 5000),
            "prompts_per_step": self._number("Questions per step", 1, 256),
            "group_size": self._number("Answers per question", 1, 64),
            "max_completion": self._number("Longest answer, tokens", 1, 2048),
        }
        self.answer = self._number("Typical answer, tokens", 1, 2048)
        self.answer.value = 9
        self.seconds = self._number("Clip, seconds", 1, 30)
        self.seconds.value = 10
        self.price = self._sized(ipywidgets.BoundedFloatText)(
            value=price, min=0.0, max=1e6, step=0.1, description="Price of a GPU-hour"
        )
        self.status, self.table = note(), note()
        self._setting = False
        self._take_profile()
        self.profile.observe(lambda _: self._take_profile(), names="value")
        for control in self.controls[1:]:
            control.observe(lambda _: self.refresh(), names="value")
        self.widget = column([*self.controls, self.status, self.table])

    @property
    def controls(self) -> list[ipywidgets.Widget]:
        """All controls in the order of the page; the first one sets others."""
        return [
            self.profile, self.gpu, self.gpus, self.trains, *self.settings.values(), self.answer,
            self.seconds, self.price,
        ]  # fmt: skip

    def estimate(self) -> Estimate:
        """By the controls as they stand. Raises as ``estimate`` does."""
        return estimate(
            self.profile.value,
            self.gpu.value,
            gpus=self.gpus.value,
            trains=self.trains.value,
            price=self.price.value,
            seconds=self.seconds.value,
            answer=self.answer.value,
            **{name: control.value for name, control in self.settings.items()},
        )

    def refresh(self) -> None:
        """Compute anew and show it; what does not go together becomes one line."""
        if self._setting:
            return
        try:
            found = self.estimate()
        except UserError as error:
            say(self.status, f"✗ {html.escape(str(error))}")
            self.table.value = ""
            return
        say(self.status, html.escape(verdict(found)))
        # The verdict stands in the status already.
        self.table.value = as_table(found).partition("</p>")[2]

    def _take_profile(self) -> None:
        """Set the profile's own GPU and settings."""
        self._setting = True
        try:
            self.gpu.value = MEANT_FOR[self.profile.value]
            self.gpus.value = 8 if self.profile.value == "multi-gpu" else 1
            self.trains.value = TRAINS[0]
            for name, control in self.settings.items():
                control.value = PROFILES[self.profile.value].grpo[name]
        finally:
            self._setting = False
        self.refresh()

    def _choice(self, name: str, options: list[Any], value: Any) -> ipywidgets.Dropdown:
        made = self._sized(ipywidgets.Dropdown)
        return made(options=options, value=value, description=name)

    def _number(self, name: str, least: int, most: int) -> ipywidgets.BoundedIntText:
        # Not at every key: 1 on the way to 16 would be a run of its own.
        made = self._sized(ipywidgets.BoundedIntText)
        return made(value=least, min=least, max=most, description=name, continuous_update=False)

    @staticmethod
    def _sized(kind: type) -> Callable[..., Any]:
        def make(**named: Any) -> Any:
            layout = ipywidgets.Layout(width="34em", max_width="100%")
            return kind(style={"description_width": "14em"}, layout=layout, **named)

        return make
