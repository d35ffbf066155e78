"""The block of README.md that says what the experiment found; see ``readme_results.py``."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.experiment.bootstrap import Comparison
from r1aqa_helpers.experiment.plan import REGIMES
from r1aqa_helpers.experiment.summary import (
    MethodRow,
    Summary,
    load_records,
    method_label,
    summarise,
)
from r1aqa_helpers.results.published import DOMAINS

#: A verdict before the name of the other method.
_AGAINST = {"ahead": "ahead of", "not significantly different": "not significantly different from"}
RESULTS = Path(__file__).resolve().parent.parent / "data" / "results" / "tiny"


def experiment_block() -> str:
    """Answers, the trained methods, the regimes, and every comparison with its verdict."""
    records = load_records(RESULTS)
    summary = summarise(records)
    table = [row for row in summary.rows if row.regime == "table"]
    others = [row for row in summary.rows if row.regime != "table"]
    days = sorted({record["date"] for record in records})
    lines = [
        f"Measured by `r1aqa experiment` on the tiny track: {len(records)} runs, "
        f"{_range(days)}, {'; '.join(summary.hardware)}. The same {table[0].n} questions of "
        "tiny-mmau for all; seconds are of one processor. The 95 % interval of a mean is that of "
        "a bootstrap over questions and seeds.",
        "",
        *_answers(summary, records),
        "",
        *_methods(table),
        "",
        *(f"- {_sentence(one)}" for one in summary.comparisons if one.regime == "table"),
    ]
    if others:
        lines += ["", *_regimes(others, summary)]
    if summary.missing:
        lines += ["", *(f"- Missing: {line}." for line in summary.missing)]
    return "\n".join(lines).replace("<", r"\<")


def _range(days: list[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _methods(rows: list[MethodRow]) -> list[str]:
    lines = [
        f"| {REGIMES['table'].label} | learning rate | sound | music | speech | mean | 95 % "
        "| seeds | training, s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        low, high = row.ci95
        tasks = " | ".join(f"{value:.1f}" for value in row.tasks.values())
        lines.append(
            f"| {method_label(row.method)} | {row.rate:.2g} | {tasks} | **{row.mean:.1f}** "
            f"| {low:.1f}–{high:.1f} | {_seeds(row)} | {row.train_cpu:.0f} |"
        )
    return lines


def _regimes(rows: list[MethodRow], summary: Summary) -> list[str]:
    found = {(row.regime, row.method): row for row in rows}
    lines = [
        "| made harder | SFT, full | seeds | GRPO <2> | seeds | difference | 95 % | Holm's p |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in summary.comparisons:
        if one.regime == "table":
            continue
        sft, grpo = found[one.regime, one.b], found[one.regime, one.a]
        low, high = one.ci95
        lines.append(
            f"| {REGIMES[one.regime].label} | {sft.mean:.1f} | {_seeds(sft)} | {grpo.mean:.1f} "
            f"| {_seeds(grpo)} | {one.difference:+.1f} | {low:+.1f} to {high:+.1f} "
            f"| {one.holm:.2g} |"
        )
    return lines


def _answers(summary: Summary, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The four questions, as far as the runs answer them."""
    rows = {(row.regime, row.method): row for row in summary.rows}
    found = {(one.regime, one.a, one.b): one for one in summary.comparisons}
    lines = ["**Does GRPO beat SFT here?** " + _told(found, "grpo-2", ("sft", "sft-lora"))]
    kinds: dict[str, list[str]] = {}
    for (regime, a, b), one in found.items():
        if regime != "table" and (a, b) == ("grpo-2", "sft"):
            kinds.setdefault(one.verdict, []).append(REGIMES[regime].label)
    if kinds:
        told = "; ".join(
            f"{verdict} with “{'” and “'.join(which)}”" for verdict, which in kinds.items()
        )
        lines += ["", f"**In which regimes?** GRPO <2>, compared with full SFT, is {told}."]
    lines += _drift(rows)
    lengths = {
        name: statistics.fmean(
            record["traits"]["completion_length"][-1]
            for record in records
            if (record["regime"], record["method"]) == ("table", name) and "test" in record
        )
        for name in ("grpo-2", "grpo-3")
        if ("table", name) in rows
    }
    formats = [
        max(record["traits"]["format"])
        for record in records
        if (record["regime"], record["method"]) == ("table", "grpo-3")
    ]
    if len(lengths) == 2:
        lines += [
            "",
            "**Does thinking help?** "
            + _told(found, "grpo-3", ("grpo-2",))
            + " "
            + _told(found, "cota", ("sft",))
            + f" At its end GRPO <3> answers in {lengths['grpo-3']:.1f} tokens, GRPO <2> in "
            f"{lengths['grpo-2']:.1f}; the highest share of its answers with the form of "
            f"thinking, in any tenth of any run, is {100 * max(formats):.1f} %.",
        ]
    costs = [
        f"{method_label(method)} {row.train_cpu:.0f}"
        for (regime, method), row in rows.items()
        if regime == "table"
    ]
    costs_told = f"Seconds of processor per training: {', '.join(costs)}."
    return [*lines, "", f"**What does each cost?** {costs_told}"]


def _drift(rows: Mapping[tuple[str, str], MethodRow]) -> list[str]:
    """What becomes of music and speech where only sound is trained on."""
    told = []
    for method in ("sft", "grpo-2"):
        alone, mixed = rows.get(("sound-only", method)), rows.get(("table", method))
        if alone and mixed:
            parts = ", ".join(f"{task} {alone.tasks[task]:.1f}" for task in DOMAINS)
            whole = ", ".join(f"{mixed.tasks[task]:.1f}" for task in DOMAINS)
            told.append(f"{method_label(method)}: {parts} (with all three: {whole})")
    if not told:
        return []
    return ["", f"**Is anything forgotten?** Trained on sound only, {'; '.join(told)}."]


def _told(found: Mapping[tuple[str, str, str], Comparison], a: str, others: Sequence[str]) -> str:
    parts = []
    for b in others:
        one = found.get(("table", a, b))
        if one:
            parts.append(
                f"{_AGAINST.get(one.verdict, one.verdict)} {method_label(b)} "
                f"({one.difference:+.1f} points, {one.ci95[0]:+.1f} to {one.ci95[1]:+.1f})"
            )
    return f"{method_label(a)} is {' and '.join(parts)}." if parts else "Not measured yet."


def _seeds(row: MethodRow) -> str:
    return ", ".join(f"{share:.1f}" for share in row.each)


def _sentence(one: Comparison) -> str:
    low, high = one.ci95
    return (
        f"{method_label(one.a)} against {method_label(one.b)}: {one.difference:+.1f} points "
        f"({low:+.1f} to {high:+.1f}; Holm's p = {one.holm:.2g}): **{one.verdict}**"
    )
