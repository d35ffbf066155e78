"""What a command prints before it starts to work: the profile in one block, and warnings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from r1aqa_helpers.hardware.budgets import Budget, Figure, budget
from r1aqa_helpers.hardware.gpus import GB
from r1aqa_helpers.hardware.memory import HEADROOM, frozen_encoder
from r1aqa_helpers.hardware.profiles import TINY_PROFILE, Profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.machine import Machine, this_machine
from r1aqa_helpers.utils.untrusted import shown

#: Settings that a command may give another value than the profile, or give without it.
_CHANGEABLE = ("steps", "lora_rank", "freeze_audio_encoder", "gradient_checkpointing")
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
    sft, grpo = profile.sft, profile.grpo
    by_sft, by_grpo = trained(sft), trained(grpo)
    sampled = grpo.get("prompts_per_rollout") or grpo["prompts_per_step"]
    tiny = profile.model == TINY_PROFILE.model

    def again(settings: Mapping[str, Any]) -> str:
        return ", layers computed again" if settings.get("gradient_checkpointing") else ""

    rows = {
        "model": "the tiny model" if tiny else shown(profile.model),
        "precision": precision(profile),
        "trains": by_sft if by_sft == by_grpo else f"SFT: {by_sft}; GRPO: {by_grpo}",
        "answering": f"{profile.eval_tokens:,} tokens a batch",
        "SFT": f"{sft['steps']} steps of {sft['batch_size']} questions, trained on "
        f"{sft['rows_per_forward']} at once" + again(sft),
        "GRPO": f"{grpo['steps']} steps of {grpo['prompts_per_step']} questions x "
        f"{grpo['group_size']} answers of at most {grpo['max_completion']} tokens; sampled for "
        f"{sampled} at once, trained on {grpo['prompts_per_forward']} at once" + again(grpo),
        "memory": by_source(found.memory, " GB", GB),
        "minutes": by_source(found.minutes) or "not measured here",
    }
    where = ""
    if profile.device == "cuda" and found.gpu:
        where = f" ({found.gpu})" if found.gpus == 1 else f" ({found.gpus} x {found.gpu})"
    lines = [f"profile {profile.name}{where}"]
    lines += [f"  {name:<10} {text}" for name, text in rows.items()]
    return "\n".join([*lines, *(f"  note: {one}" for one in warnings)])


def with_settings(profile: Profile, settings: Any) -> Profile:
    """The profile with what a training's settings change of it, for `announcement`.

    Args:
        settings: ``GRPOSettings`` or ``SFTSettings``, made from the profile's.
    """
    kind = "grpo" if hasattr(settings, "group_size") else "sft"
    old = getattr(profile, kind)
    new = {name: getattr(settings, name) for name in (*old, *_CHANGEABLE)}
    changed = {name: value for name, value in new.items() if value != old.get(name, 0)}
    both = {**old, **changed}
    return replace(profile, grpo=both) if kind == "grpo" else replace(profile, sft=both)


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
        name, available = "Apple's GPU", machine.memory and machine.memory * 3 // 4
    elif not machine.gpus:
        raise UserError(
            f"profile {profile.name}: wants a CUDA GPU, and PyTorch sees none; "
            "take --profile tiny, which needs none"
        )
    else:
        name, available = min(machine.gpus, key=lambda gpu: gpu[1])
    lines = []
    if profile.device == "cuda" and profile.dtype == "bfloat16" and not machine.bf16:
        lines.append(f"{name} computes bfloat16 by emulation only; --profile t4 uses float16")
    peak = _budget_here(profile, machine).peak
    if available is not None and peak > (1 - HEADROOM) * available:
        lines.append(
            f"{name} may be too small: {peak / GB:.1f} GB computed at the peak, and "
            f"{(1 - HEADROOM) * available / GB:.1f} of {available / GB:.1f} GB can be counted on"
        )
    return lines


def precision(profile: Profile) -> str:
    """Its number formats in words."""
    if profile.quantise:
        return f"{profile.dtype}, linear layers in 4 bits ({profile.quantise.upper()})"
    if profile.dtype == "float32" and profile.device == "cuda":
        return "float32; trained with products in bfloat16 where the GPU has it"
    return profile.dtype


def trained(settings: Mapping[str, Any]) -> str:
    """What a training with a profile's settings changes."""
    rank = settings.get("lora_rank", 0)
    what = f"LoRA of rank {rank} on the language model" if rank else "all weights"
    if frozen_encoder(settings):
        what += ", audio encoder frozen" if rank else " but the audio encoder's"
    return what + (", AdamW in 8 bits" if "8bit" in settings.get("optim", "") else "")


def by_source(figures: Mapping[str, Figure], unit: str = "", divisor: float = 1.0) -> str:
    """Figures in one line, those of one source next to one another, followed by the source."""
    texts: dict[str, list[str]] = {}
    for name, figure in figures.items():
        text = f"{_NAMES[name]} {figure.value / divisor:.1f}{unit}"
        texts.setdefault(figure.source, []).append(text)
    return "; ".join(f"{', '.join(these)}: {source}" for source, these in texts.items())


def _budget_here(profile: Profile, machine: Machine, gpus: int = 1) -> Budget:
    """For the smallest GPU here. Where a step cannot be shared equally, training reports it."""
    steps = profile.sft["batch_size"], profile.grpo["prompts_per_step"]
    gpus = gpus if all(step % gpus == 0 for step in steps) else 1
    if profile.device != "cuda" or not machine.gpus:
        return budget(profile, gpus=gpus)
    name, memory = min(machine.gpus, key=lambda gpu: gpu[1])
    return budget(profile, name, gpus=gpus, gpu_memory=memory)
