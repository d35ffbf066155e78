"""Write the figures in README.md, docs/ and data/README.md from the committed JSON files.

``uv run scripts/readme.py`` rewrites the blocks, ``--check`` fails where one is stale. The figures
are those of ``data/tiny/reference_run/results.json``, ``data/results/tiny/runs``,
``data/tiny/pretraining.json``, ``data/course/notebooks.json`` and ``benchmarks/results/*.json``;
none is typed by hand. README's picture is drawn from the same run (``picture.py``). The means
over the seeds of ``runs`` are also kept as rows of results, which ``r1aqa table`` shows, with the
bands and all comparisons beside them: ``data/results/tiny/experiment.json``.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import picture
from course_times import course_times, plans
from full_track_tables import full_size_lines, gpu_lines

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.experiments.methods import METHODS, ROWS
from r1aqa_helpers.experiments.plan import REGIMES, SEARCH_SEED
from r1aqa_helpers.experiments.summary import (
    FAMILY,
    MethodRow,
    Summary,
    load_records,
    method_label,
    summarise,
)
from r1aqa_helpers.reporting import (
    DOMAINS,
    ResultRow,
    load_measured,
    load_published,
    published_beside,
)
from r1aqa_helpers.reporting.rows import comparison_text
from r1aqa_helpers.reporting.verdict import UNLIKE
from r1aqa_helpers.scoring import chance
from r1aqa_helpers.scoring.seeds import SIGNIFICANT, Comparison, compare_over_seeds
from r1aqa_helpers.scoring.statistics import mcnemar
from r1aqa_helpers.scoring.text import interval_text, number_text
from r1aqa_helpers.tiny.question_types import TYPES
from r1aqa_helpers.utils.paths import TINY

ROOT = Path(__file__).resolve().parent.parent
README, DOCS = ROOT / "README.md", ROOT / "docs"
PICTURE = ROOT / picture.PICTURE
RUN = ROOT / "data" / "tiny" / "reference_run" / "results.json"
RESULTS = ROOT / "data" / "results" / "tiny"
EXPERIMENT = RESULTS / "experiment.json"
SPEED = ROOT / "benchmarks" / "results"
SUB_CATEGORIES = sorted({kind.sub_category for kind in TYPES.values()})
PRETRAINING = ROOT / "data" / "tiny" / "pretraining.json"
#: The stages of the audio encoder once more, on a processor without bf16 instructions.
FLOAT32 = ROOT / "data" / "tiny" / "pretraining_float32.json"
#: Written by ``scripts/pretrain_tiny.py --trial`` on such a processor.
TRIAL = ROOT / "data" / "tiny" / "pretraining_trial.json"


def _table(columns: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; ``align`` has l or r for each column."""
    rule = "|".join({"l": "---", "r": "--:"}[side] for side in align)
    head, *body = (f"| {' | '.join(row)} |" for row in (columns, *rows))
    return [head, f"|{rule}|", *body]


def results_block() -> str:
    """The main README's table."""
    run = json.loads(RUN.read_text(encoding="utf-8"))
    published = load_published()
    rows = []
    for row in load_measured(RUN):
        beside = published_beside(published, row)
        *tasks, average = row.cells(1)
        cells = [row.method, f"<{row.prompt}>", *tasks, f"**{average}**", row.interval, str(row.n)]
        cells += [number_text(row.train_seconds, 0), number_text(row.seconds, 0)]
        rows.append([*cells, number_text(beside.average if beside else None, 1)])
    columns = ["method", "prompt", *DOMAINS, "average", "95 % interval", "n", "training, s"]
    columns += ["evaluation, s", "published average (7B)"]
    lines = [
        f"Measured by `r1aqa reproduce` on the tiny track: profile `{run['profile']}`, seed "
        f"{run['seed']}, {run['n']} questions of tiny-mmau, {run['hardware']}. **The last column "
        "is another model on another test**: Qwen2-Audio-7B-Instruct on MMAU test-mini, as "
        "published. Never read across.",
        "",
        *_table(columns, "ll" + "r" * 9, rows),
    ]
    return "\n".join(lines).replace("<", r"\<")


def caveats_block() -> str:
    """What README's table does not say: where the gain comes from, and that it is one seed."""
    found = Findings(_experiment()[1])
    try:
        gained, chosen = (
            found.found["table", name, "direct-2"] for name in ("grpo-2", "sft-random")
        )
        rows = [found.rows["table", name] for name in ("sft-random", "sft", "grpo-2")]
    except KeyError as missing:
        lacking = " ".join(missing.args[0])
        raise SystemExit(
            f"{RESULTS}: lacks {lacking}, which README's caveats need; run it"
        ) from None
    seeds = min(len(row.seeds) for row in rows)
    return (
        "Two caveats. **Most of the gain with prompt \\<2> comes from learning to choose.** The "
        "base model was made to know more than it says "
        "([how](data/README.md#how-the-base-checkpoint-came-about)). SFT on choices drawn *at "
        f"random* gains {chosen.difference:.1f} points, GRPO {gained.difference:.1f}. **This is "
        "one seed.** [docs/experiment.md](docs/experiment.md) compares "
        f"{len(METHODS)} methods, each with {seeds} seeds or more: GRPO \\<2> {rows[2].mean:.1f}, "
        f"SFT {rows[1].mean:.1f}, SFT on random choices {rows[0].mean:.1f}."
    )


def comparisons_block() -> str:
    """The paired tests of the same run."""
    tests = json.loads(RUN.read_text(encoding="utf-8"))["comparisons"]
    lines = [*(f"- {comparison_text(test)}" for test in tests), "", UNLIKE]
    return "\n".join(lines).replace("<", r"\<")


def picture_block() -> str:
    """README's picture with its description."""
    return (
        f"![{picture.alt()}]({picture.PICTURE.as_posix()})\n\n"
        "*The run of the table below. Thick lines are moving means. The answers are the first of "
        "the test that changed from wrong to correct or back.*"
    )


def time_block() -> str:
    """How long the course and its main command take."""
    course = course_times()
    measured = [one.seconds for one in course if one.seconds is not None]
    read, practice = (
        sum(one.reading for one in course),
        sum(one.practice for one in course),
    )
    rows = load_measured(RUN)
    main = sum((row.seconds or 0) + (row.train_seconds or 0) for row in rows)
    return (
        f"- **How long?** The notebooks run in {sum(measured) / 60:.0f} minutes altogether, on two "
        f"CPU cores. Reading takes about {_hours(read)}, the exercises {_hours(practice)}. "
        f"The whole comparison below takes {main / 60:.0f} minutes."
    )


def _hours(minutes: float) -> str:
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.0f} hours"


def map_block() -> str:
    """README's map of the course."""
    rows = [
        [
            f"[{one.notebook.number} · {one.notebook.title}](notebooks/{one.notebook.file})",
            one.run,
            str(one.reading),
            str(one.practice),
        ]
        for one in course_times()
    ]
    return "\n".join(_table(["notebook", "runs in", "minutes to read", "to do"], "lrrr", rows))


def plans_block() -> str:
    """Workshops, each added up."""
    parts = []
    for one in plans(course_times()):
        rows = [[what, which, str(minutes)] for what, which, minutes in one.rows]
        rows.append(["**together**", "", f"**{one.total}** of {one.workshop.minutes}"])
        table = _table(["what", "exercises in the room", "minutes"], "llr", rows)
        parts += [f"### {one.workshop.title}", "", *table, ""]
    return "\n".join(parts).rstrip()


#: What README says of each profile: for which hardware, and what it trains.
PROFILES = {
    "tiny": ("two CPU cores", "all weights of the tiny model"),
    "t4": ("16 GB, or no bfloat16", "LoRA on 4-bit weights"),
    "l4": ("24 GB (L4, A10)", "LoRA"),
    "a100": ("40 or 80 GB", "LoRA"),
    "h100": ("H100, H200", "LoRA, larger batches"),
    "h200-full": ("141 GB", "the whole language model"),
    "multi-gpu": ("several of 40 GB", "LoRA, a process on each"),
    "mps": ("Apple, 32 GB or more", "LoRA"),
}


def hardware_block() -> str:
    """README's table of profiles."""
    read = json.loads((SPEED / "budgets.json").read_text(encoding="utf-8"))["profiles"]
    if read.keys() != PROFILES.keys():
        raise SystemExit("error: scripts/readme.py: PROFILES and budgets.json name others")
    rows = []
    for name, (hardware, trains) in PROFILES.items():
        figures = [*read[name]["memory"].values(), read[name]["thinking"]["grpo"]]
        peak = max(figures, key=lambda figure: figure["value"])
        which = peak["source"].partition(" ")[0]
        rows.append([f"`{name}`", hardware, trains, f"{peak['value'] / 1e9:.0f}", which])
    return "\n".join(_table(["profile", "for", "trains", "GB", "which is"], "lllrl", rows))


@cache
def _experiment() -> tuple[list[dict[str, Any]], Summary]:
    records = load_records(RESULTS)
    return records, summarise(records)


def experiment_block() -> str:
    """The methods of the table, and what was found, a line each."""
    records, summary = _experiment()
    found = Findings(summary)
    table = [row for row in summary.rows if row.regime in ("untrained", "table")]
    days = sorted({record["date"] for record in records})
    trained = sum("training" in record for record in records)
    columns = ["method", "prompt", "accuracy", "95 %", "seeds", "next seed", "in format"]
    lines = [
        f"Measured by `r1aqa experiment` on the tiny track: {trained} trainings, "
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}, {'; '.join(summary.hardware)}; "
        f"{REGIMES['table'].label}; {table[0].n} test questions. The 95 % interval is for other "
        "seeds and other questions; “next seed” is where one more seed lies on these questions "
        f"with a probability of 95 %. Verdicts are at 5 %, after Holm's correction for all "
        f"{len(FAMILY)} planned comparisons.",
        "",
        *_table([*columns, "processor s"], "ll" + "r" * 6, [*map(_experiment_cells, table)]),
        "",
        *(f"- **{head}** {text.strip()}" for head, text in found.lines() if text),
        *(f"- Missing: {line}." for line in summary.missing),
    ]
    return "\n".join(lines).replace("<", r"\<")


def _experiment_cells(row: MethodRow) -> list[str]:
    return [
        method_label(row.method),
        f"<{ROWS[row.method].prompt}>",
        f"**{row.mean:.1f}**",
        interval_text(row.ci95),
        str(len(row.seeds)) if row.seeds else "–",
        interval_text(row.band),
        "–" if row.format is None else f"{row.format:.0f} %",
        f"{row.train_cpu:.0f}" if row.seeds else "–",
    ]


class Findings:
    """What the experiment says, in sentences whose every figure comes from its summary."""

    def __init__(self, summary: Summary) -> None:
        self.rows = {(row.regime, row.method): row for row in summary.rows}
        self.found = {(one.regime, one.a, one.b): one for one in summary.comparisons}

    def lines(self) -> list[tuple[str, str]]:
        """Headings and sentences; a sentence is empty where nothing was measured."""
        told = self._told
        return [
            ("Does GRPO beat SFT?", told("grpo-2", "sft", "sft-lora")),
            (
                "What does training add?",
                told("grpo-2", "direct-2") + told("sft-random", "direct-2"),
            ),
            ("Does thinking help?", told("grpo-3", "zero-shot-cot", "grpo-2", "cota")),
            ("And thoughts as labels?", told("cota", "zero-shot-cot", "sft")),
            (
                "Both, one after the other?",
                told("cold-start", "grpo-3", "cota") + told("sft-grpo", "grpo-2", "sft"),
            ),
            ("Is it the model's own answers?", told("rejection", "sft", "grpo-2")),
            (
                "What must GRPO have?",
                told("grpo-text-only", "grpo-2") + told("grpo-accuracy-only", "grpo-2"),
            ),
            (
                "Elsewhere?",
                "".join(self._elsewhere(name) for name in ("few", "wrong-labels", "sound-only")),
            ),
            (
                "With more for SFT?",
                told("grpo-2", "equal-compute/sft") + self._elsewhere("all", "cota"),
            ),
            ("The paper's order?", self._order()),
        ]

    def _told(self, a: str, *others: str) -> str:
        pairs = (self.found.get(("table", a, b)) for b in others)
        parts = [_verdict(one) for one in pairs if one is not None]
        return f"{method_label(a)} is {' and '.join(parts)}. " if parts else ""

    def _elsewhere(self, regime: str, a: str = "grpo-2") -> str:
        one = self.found.get((regime, a, "sft"))
        if one is None:
            return ""
        label = REGIMES[regime].label
        return f"{label[0].upper()}{label[1:]}: {method_label(a)} is {_verdict(one)}. "

    def _order(self) -> str:
        """Each step of the paper's order, and whether it is found here."""
        steps = [self._untrained_step()]
        for less, more in (("zero-shot-cot", "cota"), ("cota", "grpo-2"), ("grpo-3", "grpo-2"),
                           ("sft", "grpo-2")):  # fmt: skip
            steps.append(self._step(less, more))
        return "; ".join(filter(None, steps)) + "." if any(steps) else ""

    def _untrained_step(self) -> str:
        less, more = (self.rows.get(("untrained", n)) for n in ("direct-2", "zero-shot-cot"))
        if less is None or more is None:
            return ""
        a, b = (dict(enumerate(map(int, row.matches[SEARCH_SEED]))) for row in (more, less))
        return _held("direct-2", "zero-shot-cot", more.mean - less.mean, mcnemar(a, b).p)

    def _step(self, less: str, more: str) -> str:
        if one := self.found.get(("table", more, less)):
            return _held(less, more, one.difference, one.holm)
        if one := self.found.get(("table", less, more)):
            return _held(less, more, -one.difference, one.holm)
        rows = self.rows.get(("table", more)), self.rows.get(("table", less))
        if None in rows or len(rows[0].matches.keys() & rows[1].matches.keys()) < 2:
            return ""
        one = compare_over_seeds("table", more, less, *(row.matches for row in rows))
        return _held(less, more, one.difference, one.p)


def _verdict(one: Comparison) -> str:
    words = {"no significant difference": "not significantly different from"}
    other = method_label(one.b)
    verdict = words.get(one.verdict, f"{one.verdict} of" if one.verdict == "ahead" else "behind")
    low, high = one.ci95
    return f"{verdict} {other} ({one.difference:+.1f} points, {low:+.1f} to {high:+.1f})"


def _held(less: str, more: str, difference: float, p: float) -> str:
    """Whether the first method is below the second, as in the paper."""
    outcome = "no significant difference here" if p >= SIGNIFICANT else "as here"
    if p < SIGNIFICANT and difference < 0:
        outcome = "the other way round here"
    return f"{method_label(less)} below {method_label(more)}: {outcome} ({difference:+.1f})"


def experiment_rows() -> str:
    """The means over seeds as a file of rows, with where they come from, and the whole summary."""
    records, summary = _experiment()
    rows = []
    for row in summary.rows:
        if row.regime == "table":  # the regimes are other tasks
            prompt, seeds = METHODS[row.method].prompt, len(row.seeds)
            kept = ResultRow(
                row.method.removesuffix(f"-{prompt}"),
                prompt,
                **{task: round(value, 6) for task, value in row.tasks.items()},
                average=round(row.mean, 6),
                ci95=(round(row.ci95[0], 6), round(row.ci95[1], 6)),
                n=row.n,
                train_seconds=round(row.train_cpu, 2),
                variant=f"{seeds} seed{'s' * (seeds > 1)}",
            )
            each = {"learning_rate": row.rate, "seeds": row.seeds, "accuracies": row.each}
            rows.append({**kept.as_dict(), **each})
    first = next(r for r in records if r["regime"] == "table" and "test" in r)
    names = ("command", "date", "commit", "pins", "hardware", "versions")
    told = {name: first[name] for name in names}
    told["questions"] = {part: first["questions"][part] for part in ("validation", "test")}
    whole = summary.as_dict()
    for row in whole["rows"]:  # those are in the runs' own files
        del row["matches"]
    content = {**told, "rows": rows, "summary": whole}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _answered(title: str, report: Mapping[str, Any] | None) -> list[str]:
    """How the base or the ceiling answered, by prompt."""
    if report is None:
        return [f"{title}: not measured."]
    names = ["all", *DOMAINS, "compositional"]
    rows = [
        [prompt, *(number_text(one["accuracy"][name]["accuracy"], 1) for name in names)]
        + [number_text(one["thinks"], 1), number_text(one["format"], 1)]
        for prompt, one in report.items()
    ]
    best = max(report.values(), key=lambda one: one["accuracy"]["all"]["accuracy"])["accuracy"]
    parts = sorted(
        (best[name]["accuracy"], name, best[name]["n"]) for name in SUB_CATEGORIES if name in best
    )
    weak = ", ".join(f"{name} {share:.1f} (n {n})" for share, name, n in parts[:4])
    return [
        f"{title}, percent of {best['all']['n']} questions of tiny-mmau:",
        "",
        *_table(["prompt", *names, "thinks", "in format"], "l" + "r" * 7, rows),
        "",
        f"Its weakest sub-categories, with the better prompt: {weak}.",
    ]


def pretraining_block() -> str:
    """What data/README.md says of the base checkpoint."""
    record = json.loads(PRETRAINING.read_text(encoding="utf-8"))
    heard = ", ".join(f"{name} {value:.1f}" for name, value in record["encoder"].items())
    lines = [
        f"The checkpoint has {record['parameters']:,} parameters, "
        f"{record['megabytes']:.1f} MB as half-precision safetensors. Measured on "
        f"{record['hardware']}.",
        "",
        "| stage | steps | clips per step | s per step | loss at the end |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, stage in record["stages"].items():
        lines.append(
            f"| {name} | {stage['steps']} | {stage['batch']} | {stage['seconds_per_step']:.2f} "
            f"| {stage['loss']:.3f} |"
        )
    lines += [
        "",
        f"The audio encoder's own readings on {record['encoder_clips']} scenes from test takes, "
        f"percent correct: {heard}.",
        "",
        _in_float32(record),
        "",
        _in_a_trial(),
        "",
        *_answered("The base", record["base"]),
        "",
        *_answered("The ceiling", record["ceiling"]),
    ]
    return "\n".join(lines)


def _in_float32(record: Mapping[str, Any]) -> str:
    """What another processor made of the same stages, seeds and code."""
    other = json.loads(FLOAT32.read_text(encoding="utf-8"))
    losses = ", ".join(
        f"{stage['loss']:.3f} in place of {record['stages'][name]['loss']:.3f} ({name})"
        for name, stage in other["stages"].items()
    )
    moved = {name: other["encoder"][name] - value for name, value in record["encoder"].items()}
    most = max(moved, key=lambda name: abs(moved[name]))
    return (
        f"The first two stages on a processor without bf16 instructions, in float32: losses "
        f"{losses}; the readings differ by {abs(moved[most]):.1f} points at the most ({most}), by "
        f"{fmean(map(abs, moved.values())):.1f} on average."
    )


def _in_a_trial() -> str:
    """What a few steps of each stage say of the time of the whole, and of two runs."""
    tried = json.loads(TRIAL.read_text(encoding="utf-8"))
    paces = ", ".join(
        f"{name} {one:.2f} and {two:.2f}" for name, (one, two) in tried["seconds_per_step"].items()
    )
    most = max(tried["differ"].values())
    two_runs = "the same, to the bit" if most == 0 else f"at most {most:.1g} apart"
    fewest, longest = sorted(tried["minutes"])
    return (
        f"{tried['steps']} steps of each stage up to the base, twice, on {tried['hardware']}, "
        f"{'with' if tried['bf16'] else 'without'} bf16 instructions, took, in seconds a step: "
        f"{paces}. At these paces the base, with its clips, takes {fewest:.0f} and {longest:.0f} "
        f"minutes; the whole was not run there. After these steps the weights of the two runs are "
        f"{two_runs}."
    )


#: Baselines that see no audio.
WITHOUT_AUDIO = ("first", "best-place", "longest", "majority", "text-only")


def acceptance_block() -> str:
    """What the base must be able to do, beside what it does."""
    record = json.loads(PRETRAINING.read_text(encoding="utf-8"))
    cota = {(row.regime, row.method): row for row in _experiment()[1].rows}.get(("table", "cota"))

    def share(model: str, prompt: int, name: str = "all") -> float:
        return record[model][f"<{prompt}>"]["accuracy"][name]["accuracy"]

    thinks = [record["base"][f"<{prompt}>"]["thinks"] for prompt in (1, 2)]
    weakest = min((share("ceiling", 3, name), name) for name in SUB_CATEGORIES)
    gain = share("ceiling", 3, "compositional") - share("ceiling", 2, "compositional")
    off, error, task, baseline = _furthest_from_chance()
    made = [stage for name, stage in record["stages"].items() if name != "ceiling"]
    tried = json.loads(TRIAL.read_text(encoding="utf-8"))
    minutes = sum(stage["steps"] * stage["seconds_per_step"] for stage in made)
    cota_text = ["–", "–"]
    if cota is not None:
        cota_text = [f"{cota.mean - share('base', 3):+.1f}", f"{number_text(cota.format, 1)} %"]
    rows = [
        ("direct inference \\<2>, 1,000 test questions", "45 to 60 %", f"{share('base', 2):.1f} %"),
        (
            "zero-shot CoT \\<3> minus direct \\<2>, all questions",
            "at least +2 points",
            f"{share('base', 3) - share('base', 2):+.1f}",
        ),
        (
            "answers to \\<3> that think, in the format asked for",
            "0.3 to 0.6",
            f"{record['base']['<3>']['format'] / 100:.2f}",
        ),
        (
            "answers to \\<1> and \\<2> that think",
            "none",
            "none" if not any(thinks) else f"{thinks[0]:.1f} and {thinks[1]:.1f} %",
        ),
        ("ceiling, all questions", "at least 90 %", f"{share('ceiling', 3):.1f} %"),
        (
            "ceiling, every sub-category",
            "at least 80 %",
            f"{weakest[0]:.1f} % at the least ({weakest[1]})",
        ),
        (
            "ceiling, compositional types: thinking \\<3> minus direct \\<2>",
            "at least +10 points",
            f"{gain:+.1f}",
        ),
        ("SFT on CoTA minus zero-shot CoT", "at least 0 points", cota_text[0]),
        ("SFT on CoTA, answers in format", "at least 95 %", cota_text[1]),
        (
            "text-only and constant baselines, each task",
            "within 3 points of chance",
            f"{off:+.1f} at the most ({task}, {baseline}; standard error {error:.1f})",
        ),
        ("size of `tiny/model`", "at most 12 MB", f"{record['megabytes']:.1f} MB"),
        (
            "time to make it, two cores without bf16 instructions",
            "at most 90 minutes",
            f"{minutes / 60:.0f} minutes of training with them; without them "
            f"{min(tried['minutes']):.0f} and {max(tried['minutes']):.0f}, at the paces of "
            f"{tried['steps']} steps of each stage",
        ),
    ]
    return "\n".join(_table(["what", "band", "measured"], "lll", rows))


def _furthest_from_chance() -> tuple[float, float, str, str]:
    """Points from chance, their standard error, task and name of the baseline furthest off.

    Of those without audio.
    """
    baselines = json.loads((RESULTS / "probes.json").read_text(encoding="utf-8"))["baselines"]
    questions = read_questions(TINY / "tiny-mmau.json")
    level = {task: chance([q for q in questions if q.task == task]) for task in DOMAINS}
    found = [
        (one["tasks"][task]["accuracy"] - level[task], one["tasks"][task]["n"], task, one["name"])
        for one in baselines
        if one["name"] in WITHOUT_AUDIO
        for task in DOMAINS
    ]
    off, n, task, name = max(found, key=lambda one: abs(one[0]))
    return off, (level[task] * (100 - level[task]) / n) ** 0.5, task, name


def _side(seconds: dict[str, float]) -> str:
    return f"{seconds['plain']:.2f} → {seconds['shared']:.2f} s"


def speed_block() -> str:
    """The table of what sharing saves."""
    paths = sorted(SPEED.glob("*.json"))
    read = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    update, published, asked, counted = (
        read[name] for name in ("grpo_update", "reference_trainer", "evaluation", "flops")
    )
    stages = ("update", "forward_backward", "rollout", "reference")
    lines = [
        f"Measured on {update['hardware']}, tiny model, float32, answers of 9 tokens: medians of "
        f"{update['n']} alternating runs, without sharing → with it.",
        "",
        "| prompts | G | questions | whole update | forward and backward | rollout | reference |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for cell in update["cells"]:
        cells = " | ".join(
            f"{_side(cell['median_seconds'][stage])}, **{cell['ratios'][stage]:.1f}×**"
            for stage in stages
        )
        lines.append(f"| {cell['prompt']} | {cell['group']} | {cell['questions']} | {cells} |")
    seconds = published["median_seconds"]
    alone = asked["stages"]
    lines += [
        "",
        f"- An update as the published trainer performs it ({published['questions']} questions "
        f"× {published['group']} answers): {seconds['published']:.2f} s against "
        f"{seconds['shipped']:.2f} s, **{published['update_vs_published']:.1f}×**, medians of "
        f"{published['n']}.",
        f"- Answering {asked['questions']} questions by the published loop and by `answering`: "
        f"**{asked['ratio']:.1f}×**, {asked['differing']} answers differ, medians of "
        f"{asked['n']}. `answering` takes {asked['of_stages']:.2f} of the sum of what no "
        "evaluation can leave out, each timed alone: "
        + ", ".join(f"{name} {value:.1f} s" for name, value in alone.items())
        + ".",
    ]
    tera = {way: flops["total"] / 1e12 for way, flops in counted["cases"]["avqa"]["flops"].items()}
    tiny = counted["cases"]["tiny"]["flops"]["shared full"]
    encoder = tiny["encoder"] * 5 / 3  # three passes forward, and one backward, which counts two
    lines.append(
        f"- Counted by `benchmarks/flops.py`: an AVQA group of 8 at 7B takes "
        f"{tera['published full']:.0f} TFLOP as published, {tera['shared full']:.0f} with sharing, "
        f"{tera['shared lora']:.0f} with sharing, LoRA and a frozen audio encoder. Of the tiny "
        f"model's update with sharing, {100 * encoder / tiny['total']:.0f} % is the encoder's."
    )
    lines += gpu_lines([one for name, one in read.items() if name.startswith("gpu_7b")])
    return "\n".join(lines)


def full_size_block() -> str:
    """What the true size takes on CPUs."""
    path = SPEED / "full_size.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return "\n".join(full_size_lines(found))


def _source(figures: dict[str, dict]) -> str:
    return "; ".join(dict.fromkeys(figure["source"] for figure in figures.values())) or "not known"


def profiles_block() -> str:
    """The table of what each profile takes."""
    read = json.loads((SPEED / "budgets.json").read_text(encoding="utf-8"))
    parts = {"answering": "answering", "sft": "SFT", "grpo": "GRPO"}
    lines = [
        "| profile | GPU | GRPO: steps × questions × answers | GB: answering | SFT | GRPO \\<2> "
        "| GRPO \\<3> | which is |",
        "|---|---|---|--:|--:|--:|--:|---|",
    ]
    minutes = []
    for name, one in read["profiles"].items():
        gpu, steps = one["gpu"] or "–", one["grpo"]
        gpu = gpu if one["gpus"] == 1 else f"{one['gpus']} × {gpu}"
        figures = [one["memory"][part] for part in parts] + [one["thinking"]["grpo"]]
        memory = " | ".join(f"{figure['value'] / 1e9:.1f}" for figure in figures)
        lines.append(
            f"| `{name}` | {gpu} | {steps['steps']} × {steps['prompts_per_step']} × "
            f"{steps['group_size']} | {memory} | {_source(one['memory'])} |"
        )
        if found := one["minutes"]:
            times = ", ".join(
                f"{parts[part]} {figure['value']:.1f}" for part, figure in found.items()
            )
            minutes.append(f"Minutes with `{name}`: {times}: {_source(found)}.")
    checks = read["checks"]
    ratios = [check["measured_by_computed"] for check in checks["memory"]]
    lines += [
        "",
        *minutes,
        f"On {read['where']['hardware']}, {read['where']['date']}, the tensors of {len(ratios)} "
        f"whole GRPO updates of the tiny model took {min(ratios):.2f} to {max(ratios):.2f} of the "
        f"computed bytes, and an update {checks['time']['measured_by_at_least']:.1f} times the "
        "seconds that its FLOPs take at the machine's own rate.",
    ]
    return "\n".join(lines)


#: where which block stands
BLOCKS = [
    (README, "time", time_block),
    (README, "picture", picture_block),
    (README, "map", map_block),
    (README, "results", results_block),
    (README, "caveats", caveats_block),
    (README, "hardware", hardware_block),
    (DOCS / "experiment.md", "comparisons", comparisons_block),
    (DOCS / "experiment.md", "experiment", experiment_block),
    (DOCS / "gpus.md", "profiles", profiles_block),
    (DOCS / "gpus.md", "full-size", full_size_block),
    (DOCS / "speed.md", "speed", speed_block),
    (DOCS / "workshops.md", "plans", plans_block),
    (ROOT / "data" / "README.md", "acceptance", acceptance_block),
    (ROOT / "data" / "README.md", "pretraining", pretraining_block),
]


def rewritten(path: Path, text: str) -> str:
    """The file's ``text`` with fresh blocks between their markers."""
    for place, name, block in BLOCKS:
        if place == path:
            begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
            head, rest = text.split(begin)
            _, tail = rest.split(end)
            text = f"{head}{begin}\n{block()}\n{end}{tail}"
    return text


def main() -> int:
    """Rewrite or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    fresh = {EXPERIMENT: experiment_rows(), PICTURE: picture.svg()}
    for path in dict.fromkeys(place for place, _, _ in BLOCKS):
        fresh[path] = rewritten(path, path.read_text(encoding="utf-8"))
    stale = [p for p, text in fresh.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)}: stale figures; run `uv run scripts/readme.py`")
        else:
            path.write_text(fresh[path], encoding="utf-8", newline="\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
