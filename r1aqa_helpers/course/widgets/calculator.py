"""The budget calculator: settings in; memory and arithmetic of a GRPO run out.

All arithmetic is that of ``hardware``; here are only the controls and the table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.course.widgets import column, note, say, show
from r1aqa_helpers.data.audio import TOKENS_PER_SECOND
from r1aqa_helpers.hardware import PROFILES, Profile, flops
from r1aqa_helpers.hardware.budgets import Budget, budget
from r1aqa_helpers.hardware.gpus import GB, GPUS, MEANT_FOR
from r1aqa_helpers.hardware.memory import HEADROOM, TEXT, config_of
from r1aqa_helpers.hardware.summary import precision, trained
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import html

#: What is trained: the profile's own choice, or the other one.
TRAINS = ("as the profile", "LoRA of rank 16", "all of the language model")
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
        return (1 - HEADROOM) * (self.budget.gpu_memory or 0)

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
        gpu: a name of `hardware.gpus.GPUS`; by default the profile's own.
        gpus: how many of it, with the whole model on each.
        trains: one of ``TRAINS``; all weights are trained in float32, as in ``h200-full``.
        seconds: of a clip.
        answer: tokens of a typical answer, which the FLOPs count.
        settings: of GRPO, in place of the profile's: prompts_per_step, group_size,
            max_completion (tokens of the longest answer, which the memory counts).

    Raises:
        UserError: something unknown, or settings that do not go together.
    """
    for value, known in ((profile, MEANT_FOR), (gpu, (None, *GPUS)), (trains, TRAINS)):
        if value not in known:
            raise UserError(f"{value!r}: choose one of {', '.join(filter(None, known))}")
    if min(gpus, seconds, answer, *settings.values()) <= 0:
        raise UserError("GPUs, seconds, answer and settings: each must be above 0")
    gpu = gpu or MEANT_FOR[profile]
    chosen = _with(PROFILES[profile], trains, settings)
    grpo = chosen.grpo
    if answer > grpo["max_completion"]:
        longest = grpo["max_completion"]
        raise UserError(
            f"an answer of {answer} tokens: the longest has {longest}; raise that first"
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
    stage = max(("grpo rollout", "grpo update"), key=lambda name: sum(found.stages[name].values()))
    parts = {name: size for name, size in found.stages[stage].items() if size}
    return Estimate(chosen, found, stage, parts, grpo["prompts_per_step"] * total)


def _with(profile: Profile, trains: str, settings: Mapping[str, int]) -> Profile:
    """The profile with other settings of GRPO, and with what is trained."""
    if unknown := set(settings) - set(_SETTINGS):
        raise UserError(f"setting {min(unknown)!r}: choose among {', '.join(sorted(_SETTINGS))}")
    grpo: dict[str, Any] = {**profile.grpo, **settings}
    dtype = profile.dtype
    if trains == TRAINS[1]:
        grpo |= {"lora_rank": 16, "optim": "adamw_torch"}
        dtype = "bfloat16" if dtype == "float32" else dtype
    elif trains == TRAINS[2]:
        if profile.quantise:
            raise UserError(
                f"profile {profile.name}: weights in 4 bits cannot be trained themselves; "
                "keep LoRA, or take another profile"
            )
        grpo["lora_rank"], dtype = 0, "float32"
    return replace(profile, grpo=grpo, dtype=dtype)


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
        f"{(one.budget.gpu_memory or 0) / GB:.0f} GB {one.available / GB:.1f} can be counted on"
    )


def calculator(profile: str = "a100") -> None:
    """Show the calculator, starting with ``profile``: live, or as a table without a kernel."""
    one = estimate(profile)
    page = f"<p>{html(verdict(one))}</p>{as_table(one)._repr_html_()}"
    show(Calculator(profile).widget, page, f"{verdict(one)}\n{as_table(one)!r}")


class Calculator:
    """The live calculator: ``controls`` by the names of `estimate`'s arguments, and ``widget``."""

    def __init__(self, profile: str = "a100") -> None:
        self.controls: dict[str, ipywidgets.Widget] = {
            "profile": _choice("Profile", list(MEANT_FOR), profile),
            "gpu": _choice("GPU", list(GPUS), MEANT_FOR[profile]),
            "gpus": _choice("Number of GPUs", [1, 2, 4, 8], 1),
            "trains": _choice("Trains", list(TRAINS), TRAINS[0]),
            **{name: _number(*control) for name, control in _SETTINGS.items()},
            "answer": _number("Typical answer, tokens", 2048, 9),
            "seconds": _number("Clip, seconds", 30, 10),
        }
        self.status, self.table = note(), note()
        self._setting = False
        self._take_profile(profile)
        for name, control in self.controls.items():
            if name == "profile":
                control.observe(lambda change: self._take_profile(change["new"]), names="value")
            else:
                control.observe(lambda _: self.refresh(), names="value")
        self.widget = column([*self.controls.values(), self.status, self.table])

    def refresh(self) -> None:
        """Compute and show again; what does not go together becomes one line."""
        if self._setting:
            return
        try:
            found = estimate(**{name: control.value for name, control in self.controls.items()})
        except UserError as error:
            say(self.status, f"✗ {html(error)}")
            self.table.value = ""
            return
        say(self.status, html(verdict(found)))
        self.table.value = as_table(found)._repr_html_()

    def _take_profile(self, profile: str) -> None:
        """Set the profile's own GPU and settings."""
        own = {"gpu": MEANT_FOR[profile], "gpus": 8 if profile == "multi-gpu" else 1}
        own |= {"trains": TRAINS[0], **{name: PROFILES[profile].grpo[name] for name in _SETTINGS}}
        self._setting = True
        for name, value in own.items():
            self.controls[name].value = value
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
