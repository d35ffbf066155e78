"""The project's own accuracies on the tiny track: runs, probes, trainings, cascades, draws."""

from collections import Counter
from collections.abc import Iterator

from ledger_parts.common import (
    RESULTS,
    TINY,
    accuracy,
    difference,
    origin,
    read,
    recorded,
)

from r1aqa_helpers.experiment.plan import REGIMES, SEARCH_SEED, Run
from r1aqa_helpers.experiment.summary import MethodRow, load_records, summarise
from r1aqa_helpers.ledger import Entry
from r1aqa_helpers.results.published import DOMAINS
from r1aqa_helpers.roads import METHODS


def tasks_of_tiny_mmau() -> Counter[str]:
    """How many test questions of each task there are, and of all."""
    counts = Counter(row["task"] for row in read(TINY / "tiny-mmau.json"))
    return counts + Counter(average=counts.total())


def reference_run() -> Iterator[Entry]:
    """The run that README reports."""
    path = TINY / "reference_run" / "results.json"
    stored, counts = read(path), tasks_of_tiny_mmau()
    common = {
        "model": "tiny-qwen2-audio",
        "data": "tiny-mmau",
        "command": f"r1aqa reproduce --profile {stored['profile']} --seed {stored['seed']}",
        "seed": stored["seed"],
        **origin(stored, path),
    }
    for row in stored["rows"]:
        stem = f"tiny/run/{row['method']}-{row['prompt']}"
        fields = {**common, "method": f"{row['method']} <{row['prompt']}>"}
        for figure in ("average", *DOMAINS):
            yield accuracy(f"{stem}/{figure}", row[figure], counts[figure], **fields)
        for figure in ("seconds", "train_seconds"):
            if figure in row:
                yield Entry(id=f"{stem}/{figure}", value=row[figure], unit="s", **fields)
    for test in stored["comparisons"]:
        stem = f"tiny/run/{test['a']}-{test['a_prompt']}-against-{test['b']}-{test['b_prompt']}"
        yield difference(f"{stem}/difference", test["difference"], n=stored["n"], **common)
        yield Entry(
            id=f"{stem}/p", value=test["mcnemar_p"], n=stored["n"], **common, note="McNemar, exact"
        )


def probes() -> Iterator[Entry]:
    """Floors, choice order and the clip's contribution of the base model."""
    path = RESULTS / "probes.json"
    stored = read(path)
    prompt, seed = stored["prompt"], stored["seed"]
    common = {
        "model": "tiny-qwen2-audio",
        "data": "tiny-mmau",
        "command": f"r1aqa probe --profile tiny --prompt {prompt} --seed {seed}",
        "seed": seed,
        **origin(stored, path),
    }
    yield Entry(
        id="tiny/floor/chance/average",
        value=stored["chance"],
        unit="%",
        n=stored["n"],
        **common,
        kind="floor",
        method="chance",
        note="computed: what picking a choice blindly reaches on average",
    )
    for row in stored["floors"]:
        for figure, part in {"average": row, **row["tasks"]}.items():
            yield accuracy(
                f"tiny/floor/{row['name']}/{figure}",
                part["accuracy"],
                part["n"],
                **common,
                kind="floor",
                method=row["name"],
                note=row["about"],
            )
    order = stored["order"]
    stem = f"tiny/probe/direct-{stored['prompt']}/order"
    for figure in ("as_given", "all_right", "any_right"):
        yield accuracy(f"{stem}/{figure}", order[figure]["accuracy"], order[figure]["n"], **common)
    yield Entry(id=f"{stem}/mean", value=order["mean"], unit="%", n=stored["n"], **common)
    yield Entry(id=f"{stem}/unparsed", value=order["unparsed"], n=order["asked"], **common)
    for choices, shares in order["positions"].items():
        for place, share in enumerate(shares, start=1):
            id = f"{stem}/place-{place}-of-{choices}"
            yield Entry(id=id, value=share, unit="%", n=order["asked"], **common)
    for name, part in stored["contribution"].items():
        stem = f"tiny/probe/direct-{stored['prompt']}/{name}"
        ends = part["difference_ci95"]
        yield difference(f"{stem}/difference", part["difference"], ends, n=stored["n"], **common)
        yield Entry(id=f"{stem}/changed", value=part["changed"], unit="%", n=stored["n"], **common)


def run_name(row: MethodRow, rate: float, seed: int) -> str:
    """Of the file of one training of a row."""
    return Run(REGIMES[row.regime], METHODS[row.method], rate, seed).name


def experiment() -> Iterator[Entry]:
    """All trained methods: means over seeds, each seed, comparisons, and what the search found."""
    if not (RESULTS / "runs").is_dir():
        return
    records = load_records(RESULTS)
    first = records[0]
    summary = summarise(records)
    for row in summary.rows:
        plan = "table" if row.regime == "table" else "regimes"
        # A table's row is one of `r1aqa table`; the regimes are not: they are other tasks.
        stem = (
            f"tiny/experiment/{row.method}"
            if plan == "table"
            else f"regime/{row.regime}/{row.method}"
        )
        seeds = f"{len(row.seeds)} seeds" if len(row.seeds) > 1 else "1 seed"
        prompt = METHODS[row.method].prompt
        # The run that README reports has these two methods, too.
        several = f", {seeds}" if row.method in ("sft", "grpo-2") else ""
        common = {
            "model": "tiny-qwen2-audio",
            "method": f"{row.method.removesuffix(f'-{prompt}')} <{prompt}>{several}",
            "data": "tiny-mmau",
            "command": f"r1aqa experiment {plan}",
            **{name: first[name] for name in ("commit", "pins", "date")},
            "hardware": "; ".join(summary.hardware),
            "source": "data/results/tiny/runs",
            "note": f"{REGIMES[row.regime].label}; mean of {seeds}, learning rate {row.rate:.1e}",
        }
        low, high = row.ci95
        yield Entry(
            id=f"{stem}/average", value=row.mean, unit="%", n=row.n, low=low, high=high, **common
        )
        for task, value in row.tasks.items():
            yield Entry(id=f"{stem}/{task}", value=value, unit="%", **common)
        figures = {
            "least": (row.least, "%"),
            "most": (row.most, "%"),
            "validation": (row.validation, "%"),
            "rate": (row.rate, ""),
            "train_cpu": (row.train_cpu, "s"),
        }
        for figure, (value, unit) in figures.items():
            yield Entry(id=f"{stem}/{figure}", value=value, unit=unit, **common)
        for seed, matches in row.matches.items():
            fields = {**common, "seed": seed, "note": REGIMES[row.regime].label}
            fields["source"] = f"data/results/tiny/runs/{run_name(row, row.rate, seed)}.json"
            share = 100 * matches.count("1") / len(matches)
            yield accuracy(f"{stem}/seed-{seed}", share, len(matches), **fields)
        for rate, value in row.rates.items():
            fields = {**common, "seed": SEARCH_SEED, "note": "on validation"}
            fields["source"] = f"data/results/tiny/runs/{run_name(row, rate, SEARCH_SEED)}.json"
            yield Entry(id=f"{stem}/search/{rate:.1e}", value=value, unit="%", **fields)
    for one in summary.comparisons:
        stem = f"experiment/{one.regime}/{one.a}-against-{one.b}"
        common = {
            "model": "tiny-qwen2-audio",
            "data": "tiny-mmau",
            "command": "r1aqa experiment summary data/results/tiny",
            "source": "data/results/tiny/runs",
            "n": summary.rows[0].n,
        }
        note = f"mean of {len(one.per_seed)} seeds"
        yield difference(f"{stem}/difference", one.difference, one.ci95, note=note, **common)
        yield Entry(id=f"{stem}/p", value=one.p, note="pooled bootstrap", **common)
        note = f"corrected over {len(summary.comparisons)} comparisons"
        yield Entry(id=f"{stem}/holm", value=one.holm, note=note, **common)
        for test in one.per_seed:
            id = f"{stem}/p-seed-{test.seed}"
            yield Entry(id=id, value=test.result.p, seed=test.seed, note="McNemar, exact", **common)


def cascade() -> Iterator[Entry]:
    """Answers from strong and from weak captions, and what the small text model was worth."""
    path = RESULTS / "cascade.json"
    if not path.exists():
        return
    stored = read(path)
    common = {
        "model": f"{stored['model']} → {stored['text_model']}",
        "data": "tiny-mmau",
        "command": f"r1aqa cascade --profile tiny --prompt {stored['prompt']}",
        **origin(stored, path),
    }
    for row in stored["rows"]:
        for figure, part in {"average": row, **row["tasks"]}.items():
            yield accuracy(
                f"tiny/{row['name']}/run/{figure}",
                part["accuracy"],
                part["n"],
                **common,
                method=row["name"],
                note=row["about"],
            )
        for figure in ("strict", "unparsed"):
            share = row[figure]["accuracy"] if figure == "strict" else row[figure]
            unit = "%" if figure == "strict" else ""
            yield Entry(
                id=f"tiny/{row['name']}/{figure}", value=share, unit=unit, n=row["n"], **common
            )
    test = stored["strong_against_weak"]
    stem, ends = "tiny/cascade-strong-against-weak", test["difference_ci95"]
    yield difference(f"{stem}/difference", test["difference"], ends, n=stored["n"], **common)
    yield Entry(id=f"{stem}/p", value=test["mcnemar_p"], n=stored["n"], **common)


def text_model() -> Iterator[Entry]:
    """How the cascade's small text model came about."""
    path = TINY / "text_model.json"
    if path.exists():
        yield from recorded("own", "tiny/text-model", path, "python scripts/train_text_model.py")


def sampled() -> Iterator[Entry]:
    """Direct inference drawn from several seeds: a row of the table for each prompt."""
    path = RESULTS / "sampled.json"
    if not path.exists():
        return
    stored = read(path)
    for row in stored["rows"]:
        stem, seeds = f"tiny/sampled/direct-{row['prompt']}", row["seeds"]
        common = {
            "model": "tiny-qwen2-audio",
            "method": f"direct <{row['prompt']}>, sampled, {len(seeds)} seeds",
            "data": "tiny-mmau",
            "command": "r1aqa sampled --profile tiny "
            f"--seeds {len(seeds)} --prompt {row['prompt']}",
            **origin(stored, path),
            "note": ", ".join(f"{name} {value:g}" for name, value in stored["sampling"].items()),
        }
        low, high = row["ci95"]
        yield Entry(
            id=f"{stem}/average",
            value=row["mean"],
            unit="%",
            n=stored["n"],
            low=low,
            high=high,
            **common,
        )
        for name, value in row["tasks"].items():
            yield Entry(id=f"{stem}/{name}", value=value, unit="%", **common)
        for figure, unit in (("deviation", "points"), ("least", "%"), ("most", "%")):
            yield Entry(id=f"{stem}/{figure}", value=row[figure], unit=unit, **common)
        yield Entry(
            id=f"{stem}/same_answer", value=row["same_answer"], unit="%", n=stored["n"], **common
        )
        for one in seeds:
            yield accuracy(
                f"{stem}/seed-{one['seed']}",
                one["accuracy"],
                one["n"],
                **common,
                seed=one["seed"],
            )
