"""What is printed before work starts: the profile in one block, and what speaks against it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from r1aqa_helpers.budgets.budget import Budget, Figure, budget
from r1aqa_helpers.budgets.memory import HEADROOM
from r1aqa_helpers.budgets.work import frozen
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown
from r1aqa_helpers.profiles import TINY_PROFILE, Machine, Profile, this_machine

GB = 1e9
#: Settings that the command line may give another value than the profile.
_CHANGEABLE = ("steps", "lora_rank", "freeze_tower")
_NAMES = {"answering": "answering", "sft": "SFT", "grpo": "GRPO"}


def announcement(profile: Profile, machine: Machine | None = None, gpus: int = 1) -> str:
    """The block of lines about a profile on this machine, warnings at its end.

    Args:
        machine: by default this one.
        gpus: processes, each on a GPU of its own.

    Raises:
        UserError: the profile's device is not here.
    """
    machine = this_machine() if machine is None else machine
    warnings = warnings_for(profile, machine)
    found = _budget_here(profile, machine, gpus)
    rows = [
        (
            "model",
            "the tiny model" if profile.model == TINY_PROFILE.model else shown(profile.model),
        ),
        ("precision", precision(profile)),
        ("trains", trained(profile)),
        ("answering", f"{profile.eval_tokens:,} tokens a batch"),
        ("SFT", _sft(profile)),
        ("GRPO", _grpo(profile)),
        ("memory", together(found.memory, _gb)),
        ("minutes", together(found.minutes, _minutes) if found.minutes else "not known here"),
    ]
    where = ""
    if profile.device == "cuda" and found.gpu:
        where = f" ({found.gpu})" if found.gpus == 1 else f" ({found.gpus} x {found.gpu})"
    lines = [f"profile {profile.name}{where}"]
    lines += [f"  {name:<10} {text}" for name, text in rows]
    return "\n".join([*lines, *(f"  note: {one}" for one in warnings)])


def with_settings(profile: Profile, settings: Any) -> Profile:
    """The profile with what a training's settings change of it, for `announcement`.

    Args:
        settings: ``GRPOSettings`` or ``SFTSettings``, made from the profile's.
    """
    kind = "grpo" if hasattr(settings, "group_size") else "sft"
    old = {"lora_rank": 0, **getattr(profile, kind)}
    changed = {name: getattr(settings, name) for name in _CHANGEABLE}
    changed = {name: value for name, value in changed.items() if value != old[name]}
    return replace(profile, **{kind: {**old, **changed}}) if changed else profile


def warnings_for(profile: Profile, machine: Machine) -> list[str]:
    """A line for each thing about the machine that speaks against the profile.

    Raises:
        UserError: the profile's device is not here.
    """
    if profile.device == "cpu":
        return []
    if profile.device == "mps":
        if not machine.mps:
            raise UserError(
                f"profile {profile.name}: wants Apple's GPU, and PyTorch sees none; "
                "take another profile, such as --profile tiny"
            )
        # Metal lets a program have about three quarters of the memory that it shares.
        name, room = "Apple's GPU", machine.memory and machine.memory * 3 // 4
    else:
        if not machine.gpus:
            raise UserError(
                f"profile {profile.name}: wants a CUDA GPU, and PyTorch sees none; "
                "take --profile tiny, which needs none"
            )
        name, room = min(machine.gpus, key=lambda gpu: gpu[1])
    lines = []
    if profile.device == "cuda" and profile.dtype == "bfloat16" and not machine.bf16:
        lines.append(f"{name} computes bfloat16 by emulation only; --profile t4 uses float16")
    found = _budget_here(profile, machine)
    if room is not None and found.peak > (1 - HEADROOM) * room:
        lines.append(
            f"{name} may be too small: {found.peak / GB:.1f} GB computed at the peak, and "
            f"{(1 - HEADROOM) * room / GB:.1f} of {room / GB:.1f} GB can be counted on"
        )
    return lines


def precision(profile: Profile) -> str:
    """Its number formats in words."""
    if profile.quantise:
        return f"{profile.dtype}, linear layers in 4 bits ({profile.quantise.upper()})"
    return str(profile.dtype)


def trained(profile: Profile) -> str:
    """What its trainings change."""
    settings = profile.grpo
    rank = settings.get("lora_rank", 0)
    what = f"LoRA of rank {rank} on the language model" if rank else "all weights"
    if frozen(settings):
        what += ", audio tower frozen" if rank else " but the audio tower's"
    return what + (", AdamW in 8 bits" if "8bit" in settings.get("optim", "") else "")


def together(figures: Mapping[str, Figure], unit: Callable[[Figure], str]) -> str:
    """Figures in one line, those of one source next to one another, with it behind them.

    ``unit`` writes one.
    """
    texts: dict[str, list[str]] = {}
    for name, figure in figures.items():
        texts.setdefault(figure.source, []).append(f"{_NAMES[name]} {unit(figure)}")
    return "; ".join(f"{', '.join(these)}: {source}" for source, these in texts.items())


def _gb(figure: Figure) -> str:
    return f"{figure.value / GB:.1f} GB"


def _minutes(figure: Figure) -> str:
    return ("at least " if figure.at_least else "") + f"{figure.value:.1f}"


def _sft(profile: Profile) -> str:
    chosen = profile.sft
    return (
        f"{chosen['steps']} steps of {chosen['batch_size']} questions, "
        f"trained on {chosen['rows_per_forward']} at once"
    )


def _grpo(profile: Profile) -> str:
    chosen = profile.grpo
    sampled = chosen.get("prompts_per_rollout") or chosen["prompts_per_step"]
    return (
        f"{chosen['steps']} steps of {chosen['prompts_per_step']} questions x "
        f"{chosen['group_size']} answers of at most {chosen['max_completion']} tokens; "
        f"sampled for {sampled} at once, trained on {chosen['prompts_per_forward']} at once"
    )


def _budget_here(profile: Profile, machine: Machine, gpus: int = 1) -> Budget:
    """For the smallest GPU here; that a step cannot be shared equally, training itself says."""
    steps = profile.sft["batch_size"], profile.grpo["prompts_per_step"]
    gpus = gpus if all(step % gpus == 0 for step in steps) else 1
    if profile.device != "cuda" or not machine.gpus:
        return budget(profile, gpus=gpus)
    name, memory = min(machine.gpus, key=lambda gpu: gpu[1])
    return budget(profile, name, gpus=gpus, gpu_memory=memory)
