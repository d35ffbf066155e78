"""The budget calculator: settings in; memory and arithmetic of a GRPO run out.

All arithmetic is that of ``budgets`` and ``costs``; here are only the controls and the tables.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets import column, note, say, show
from r1aqa_helpers.data.audio import TOKENS_PER_SECOND
from r1aqa_helpers.hardware import PROFILES, Profile, flops
from r1aqa_helpers.hardware.budgets import Budget, budget
from r1aqa_helpers.hardware.gpus import GPUS, MEANT_FOR
from r1aqa_helpers.hardware.memory import HEADROOM, TEXT, config_of
from r1aqa_helpers.hardware.summary import precision, trained
from r1aqa_helpers.utils.errors import UserError

GB = 1e9
#: What is trained: the profile's own choice, or the other one.
TRAINS = ("as the profile", "LoRA of rank 16", "all of the language model")
#: Stages of a GRPO run.
_STAGES = ("grpo rollout", "grpo update")
#: Controls of settings of GRPO: what each is called, and its largest value.
_SETTINGS = {
    "prompts_per_step": ("Questions per step", 256),
    "group_size": ("Answers per question", 64),
    "max_completion": ("Longest answer, tokens", 2048),
}


@dataclass(frozen=True)
class Estimate:
    """A GRPO run's budget.

    Attributes:
        profile: with the settings as chosen.
        budget: as ``budgets.budget`` computes it.
        stage: the stage that takes the most memory.
        parts: bytes of each part of that stage, on each GPU, without those that are nothing.
        step_flops: FLOPs of one step on all GPUs together.
    """

    profile: Profile
    budget: Budget
    stage: str
    parts: Mapping[str, int]
    step_flops: int

    @property
    def peak(self) -> int:
        """Bytes at the largest stage, on each GPU."""
        return sum(self.parts.values())

    @property
    def available(self) -> float:
        """Bytes of a GPU that can be counted on."""
        return (1 - HEADROOM) * self.budget.gpu_memory

    @property
    def fits(self) -> bool:
        """Whether there is enough memory for the largest stage."""
        return self.peak <= self.available


def estimate(
    profile: str = "a100",
    gpu: str | None = None,
    *,
    gpus: int = 1,
    trains: str = TRAINS[0],
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
        seconds: of a clip; ``answer``: tokens of a typical answer, which the FLOPs count.
        settings: of GRPO, in place of the profile's: prompts_per_step, group_size,
            max_completion (tokens of the longest answer, which the memory counts).

    Raises:
        UserError: something unknown, or settings that do not go together.
    """
    if profile not in MEANT_FOR:
        raise UserError(f"profile {profile!r}: choose one of {', '.join(MEANT_FOR)}")
    gpu = gpu or MEANT_FOR[profile]
    if gpu not in GPUS:
        raise UserError(f"GPU {gpu!r}: choose one of {', '.join(GPUS)}")
    if min(seconds, answer, gpus) <= 0:
        raise UserError(
            f"clip of {seconds:g} s, answer of {answer} tokens, {gpus} GPUs: each must be above 0"
        )
    chosen = _with(PROFILES[profile], trains, settings)
    grpo = chosen.grpo
    if grpo["max_completion"] < answer:
        raise UserError(
            f"a typical answer of {answer} tokens is longer than the longest, "
            f"{grpo['max_completion']}: raise max_completion"
        )
    if chosen.dtype == "bfloat16" and not GPUS[gpu].bf16:
        raise UserError(f"{gpu}: does not compute in bfloat16 itself; profile t4 uses float16")
    if chosen.sft["batch_size"] % gpus:
        # This is about GRPO alone; a step of SFT need not be shared equally as well.
        chosen = replace(chosen, sft={**chosen.sft, "batch_size": gpus})
    audio = round(TOKENS_PER_SECOND * seconds)
    found = budget(chosen, gpu, gpus=gpus, audio=audio, answer=answer)
    group = flops.Group(grpo["group_size"], audio, TEXT, answer)
    lora = bool(grpo.get("lora_rank", 0))
    total = flops.group_flops(config_of(chosen), group, "shared", lora)["total"]
    stage = max(_STAGES, key=lambda name: sum(found.stages[name].values()))
    parts = {name: size for name, size in found.stages[stage].items() if size}
    return Estimate(chosen, found, stage, parts, grpo["prompts_per_step"] * total)


def _with(profile: Profile, trains: str, settings: Mapping[str, int]) -> Profile:
    """The profile with other settings of GRPO, and with what is trained."""
    if trains not in TRAINS:
        raise UserError(f"trains {trains!r}: choose one of {', '.join(TRAINS)}")
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise UserError(f"setting {name!r}: choose among {', '.join(sorted(_SETTINGS))}")
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


def as_table(one: Estimate) -> Table:
    """The largest stage part by part, and the FLOPs of a step."""
    grpo, count, gpu = one.profile.grpo, one.budget.gpus, one.budget.gpu
    return Table(
        f"{one.profile.name} on {count} x {gpu}: {trained(grpo)}; {precision(one.profile)}; "
        f"steps of {grpo['prompts_per_step']} questions x {grpo['group_size']} answers",
        [
            *((name, f"{size / GB:.2f} GB") for name, size in one.parts.items()),
            (f"together, per GPU ({one.stage})", f"{one.peak / GB:.1f} GB, computed"),
            ("arithmetic of a step, all GPUs", f"{one.step_flops / 1e12:.0f} TFLOP, computed"),
        ],
    )


def verdict(one: Estimate) -> str:
    """One line: whether it fits."""
    sign, word = ("✓", "fits") if one.fits else ("✗", "does not fit")
    return (
        f"{sign} {word}: {one.peak / GB:.1f} GB computed, and of {one.budget.gpu}'s "
        f"{one.budget.gpu_memory / GB:.0f} GB {one.available / GB:.1f} can be counted on"
    )


def calculator(profile: str = "a100") -> None:
    """Show the calculator, starting with ``profile``: live, or as a table without a kernel."""
    made = Calculator(profile)
    one = made.estimate()
    page = f"<p>{html.escape(verdict(one))}</p>{as_table(one)._repr_html_()}"
    show(made.widget, page, f"{verdict(one)}\n{as_table(one)!r}")


class Calculator:
    """The live calculator's state and widgets; ``widget`` is what is displayed."""

    def __init__(self, profile: str = "a100") -> None:
        first = estimate(profile)
        self.profile = _choice("Profile", list(MEANT_FOR), profile)
        self.gpu = _choice("GPU", list(GPUS), first.budget.gpu)
        self.gpus = _choice("Number of GPUs", [1, 2, 4, 8], 1)
        self.trains = _choice("Trains", list(TRAINS), TRAINS[0])
        self.settings = {name: _number(*control) for name, control in _SETTINGS.items()}
        self.answer = _number("Typical answer, tokens", 2048, 9)
        self.seconds = _number("Clip, seconds", 30, 10)
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
        fixed = [self.profile, self.gpu, self.gpus, self.trains]
        return [*fixed, *self.settings.values(), self.answer, self.seconds]

    def estimate(self) -> Estimate:
        """By the controls as they are. Raises as ``estimate`` does."""
        return estimate(
            self.profile.value,
            self.gpu.value,
            gpus=self.gpus.value,
            trains=self.trains.value,
            seconds=self.seconds.value,
            answer=self.answer.value,
            **{name: control.value for name, control in self.settings.items()},
        )

    def refresh(self) -> None:
        """Compute and show again; what does not go together becomes one line."""
        if self._setting:
            return
        try:
            found = self.estimate()
        except UserError as error:
            say(self.status, f"✗ {html.escape(str(error))}")
            self.table.value = ""
            return
        say(self.status, html.escape(verdict(found)))
        self.table.value = as_table(found)._repr_html_()

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


def _look() -> dict[str, Any]:
    layout = ipywidgets.Layout(width="34em", max_width="100%")
    return {"style": {"description_width": "14em"}, "layout": layout}


def _choice(name: str, options: list[Any], value: Any) -> ipywidgets.Dropdown:
    return ipywidgets.Dropdown(options=options, value=value, description=name, **_look())


def _number(name: str, most: int, value: int = 1) -> ipywidgets.BoundedIntText:
    # Not at every key: 1 on the way to 16 would be a run of its own.
    return ipywidgets.BoundedIntText(
        value=value, min=1, max=most, description=name, continuous_update=False, **_look()
    )
