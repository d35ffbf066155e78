"""Tables of what ``benchmarks/gpu_7b.py`` and ``benchmarks/full_size.py`` have measured."""

from collections.abc import Mapping, Sequence
from typing import Any

#: Parts of ``gpu_7b.py`` that train, by the way that the table is about, and what each is.
STEPS = {
    ("step_fast", "shared"): "a GRPO step",
    ("step_lean", "shared"): "the same, least memory",
    ("step_sharing", "shared"): "the same, sampled together",
    ("step_sharing", "plain"): "the same, without sharing",
    ("step_long", "shared"): "a GRPO step, long answers",
    ("profile_t4", "shared"): "profile `t4`",
    ("profile_l4", "shared"): "profile `l4`",
    ("profile_a100", "shared"): "profile `a100`",
    ("profile_h100", "shared"): "profile `h100`",
}
GPU_COLUMNS = "| what | groups | tokens | seconds | GB | of peak |"


def gpu_lines(cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table for each card, or a line that there is none."""
    if not cards:
        return [
            "- The 7B architecture on a GPU: not measured; `python benchmarks/gpu_7b.py` does it."
        ]
    return [line for card in cards for line in ("", *_card(card))]


def _card(card: Mapping[str, Any]) -> list[str]:
    lines = [
        f"The 8.4 B architecture, random weights, bfloat16, LoRA; {card['hardware']}, "
        f"{card['date']}, medians of {card['n']}; long answers and profiles: one step:",
        "",
        GPU_COLUMNS,
        "|---|--:|--:|--:|--:|--:|",
    ]
    # Where the model could not be built, no part was begun.
    answering = card.get("inference", card["load"])
    if why := _why_not(answering):
        lines.append(f"| answering | {why} | | | | |")
    else:
        lines.append(
            f"| answering {answering['clips']} clips, {answering['clips_per_second']:.1f} a second "
            f"| – | – | {answering['seconds']:.2f} | {answering['peak_memory_gb']:.1f} | "
            f"{_percent(answering)} |"
        )
    for (part, mode), what in STEPS.items():
        one = card.get(part, card["load"])
        if why := _why_not(one):
            lines.append(f"| {what} | {why} | | | | |")
            continue
        memory = f"{one[mode]['peak_memory_gb']:.1f}"
        if "limit_gb" in one:
            memory += f" of {one['limit_gb']:.0f} ({one['computed_gb']:.1f} computed)"
        lines.append(
            f"| {what} | {one['groups']} | {one['answer_tokens']} | "
            f"{one[mode]['median_seconds']:.2f} | {memory} | "
            f"{_percent(one[mode])} |"
        )
    return lines


def _percent(figures: Mapping[str, Any]) -> str:
    share = figures["share_of_peak"]
    return "–" if share is None else f"{100 * share:.0f} %"


def _why_not(part: Mapping[str, Any]) -> str:
    """Why a part has no figures, for a cell; empty where it has."""
    why = part.get("failed") or part.get("left_out")
    return f"not measured: {why}".replace("|", "/") if why else ""


def full_size_lines(found: Mapping[str, Any] | None) -> list[str]:
    """What loading the full size and one answer took, by form; or that it was not measured."""
    if found is None:
        return [
            "Loading the full size with made-up weights: not measured; "
            "`python benchmarks/full_size.py` does it."
        ]
    lines = [
        f"The 8.4 B architecture with made-up weights, on {found['hardware']}, {found['date']} "
        f"(`python benchmarks/full_size.py`; an answer of {found['answer_tokens']} tokens about a "
        f"clip of {found['clip_seconds']:.0f} s):",
        "",
        "| weights | GB | loaded in | GB at the peak | one answer in | GB at the peak |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for form, one in found["forms"].items():
        if why := _why_not(one):
            lines.append(f"| {form} | {why} | | | | |")
            continue
        stages = " | ".join(
            f"{one[stage]['seconds']:.0f} s | {one[stage]['anonymous_bytes'] / 1e9:.1f} "
            f"({one[stage]['resident_bytes'] / 1e9:.1f})"
            for stage in ("load", "ask")
        )
        lines.append(f"| {form} | {one['weights_bytes'] / 1e9:.1f} | {stages} |")
    once = [form for form, one in found["forms"].items() if one.get("held_once")]
    lines += [
        "",
        "GB of memory that the process made itself and, in brackets, with the pages of the "
        f"weights' files, which the system can take back. Held once ({', '.join(once) or 'none'}): "
        f"while loading, the first stays below the weights and {found['margin_bytes'] / 1e9:.1f} "
        "GB for Python, its libraries and one matrix.",
    ]
    return lines
