"""What has been measured of a profile: from the committed results, and only where they fit.

``benchmarks/budgets.py`` records the tiny track; ``benchmarks/gpu_7b.py`` writes a file per GPU.
A measurement counts for a profile only where it did what the profile does.
"""

from typing import Any

from r1aqa_helpers.budgets.gpus import find_gpu
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json
from r1aqa_helpers.paths import DATA
from r1aqa_helpers.profiles import PROFILES, Profile

#: Beside the data in a checkout; an installation without it has no measurements.
RESULTS = DATA.parent / "benchmarks" / "results"
#: Adapters, groups and sampling of ``benchmarks/gpu_7b.py``'s two ways to make a step.
_RANK, _GROUPS, _SIZE = 16, 16, 8


#: ``memory`` (bytes) and ``minutes``: part of the main job -> value and source.
Found = dict[str, dict[str, tuple[float, str]]]


def find(profile: Profile, gpu: str | None, gpus: int = 1) -> Found:
    """What has been measured of the profile on this GPU; nothing: empty.

    Args:
        gpu: as the listed GPU or PyTorch names it.
        gpus: more than one has not been measured.
    """
    if PROFILES.get(profile.name) != profile or gpus > 1:
        return {}  # somebody's own settings, or what no machine here has
    own = _read("budgets").get("measured", {}).get(profile.name)
    if own:
        return {
            kind: {part: (one["value"], one["source"]) for part, one in parts.items()}
            for kind, parts in own.items()
        }
    wanted = find_gpu(gpu) if gpu else None
    if wanted is None:
        return {}
    for path in sorted(RESULTS.glob("gpu_7b-*.json")):
        found = _read(path.stem)
        card = str(found.get("hardware", "")).rsplit(", ", 1)[-1]
        if find_gpu(card) == wanted:
            return _steps(profile, found, card)
    return {}


def _steps(profile: Profile, found: dict[str, Any], card: str) -> Found:
    """Of the part that sampled and computed as many groups together as the profile does."""
    settings = profile.grpo
    same = (settings.get("lora_rank"), settings["prompts_per_step"], settings["group_size"])
    if same != (_RANK, _GROUPS, _SIZE) or profile.quantise or profile.dtype != "bfloat16":
        return {}
    at_once = settings["prompts_per_rollout"]
    for name in ("step_fast", "step_lean"):
        part = found.get(name, {})
        if "shared" not in part or part["groups_at_once"] != settings["prompts_per_forward"]:
            continue
        if at_once != (_GROUPS if name == "step_fast" else part["groups_at_once"]):
            continue
        date = f", {found['date']}" if "date" in found else ""
        minutes = settings["steps"] * part["shared"]["median_seconds"] / 60
        source = f"measured ({card}{date}; benchmarks/gpu_7b.py, answers of 9 tokens)"
        return {
            "memory": {"grpo": (part["peak_memory_gb"] * 1e9, source)},
            "minutes": {"grpo": (minutes, source)},
        }
    return {}


def _read(stem: str) -> dict[str, Any]:
    try:
        found = read_json(RESULTS / f"{stem}.json")
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}
