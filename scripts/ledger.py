"""Write data/results/ledger.csv, a row per number that the project shows.

    uv run scripts/ledger.py            write it
    uv run scripts/ledger.py --check    fail where it is stale, or where a shown number has no row

Everything is read from committed files: the published figures, the results of runs and probes,
the record of pre-training, the benchmarks, and the outputs of the notebooks. None is typed here.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from r1aqa_helpers.experiment.plan import REGIMES, SEARCH_SEED, Run
from r1aqa_helpers.experiment.summary import RoadRow, load_records, summarise
from r1aqa_helpers.ledger import LEDGER, Entry, ledger_text, write_ledger
from r1aqa_helpers.roads import ROADS
from r1aqa_helpers.scoring import wilson_interval

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "data" / "results" / "tiny"
TINY = ROOT / "data" / "tiny"
SHOWN = ("README.md", "data/README.md")
DOMAINS = ("sound", "music", "speech")

#: What `r1aqa_helpers.course.shown` prints.
_ACCURACY = re.compile(
    r"^(?P<name>.+): (?P<value>[\d.]+) % "
    r"\(95 %: (?P<low>[\d.]+) to (?P<high>[\d.]+), n (?P<n>\d+)\)$"
)
_VALUE = re.compile(
    r"^(?P<name>.+): (?P<value>-?[\d.]+) ± (?P<tolerance>[\d.]+)(?: (?P<unit>.+))?$"
)


def read(path: Path) -> Any:
    """The JSON in a committed file."""
    return json.loads(path.read_text(encoding="utf-8"))


def slug(text: str) -> str:
    """Words for an id."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "none"


def origin(stored: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a result file says of its own origin, as fields of an entry."""
    known = stored.get("provenance", stored)
    told = {name: known.get(name) or "" for name in ("commit", "pins", "hardware", "date")}
    return {**told, "source": str(path.relative_to(ROOT))}


def published() -> Iterator[Entry]:
    """Every figure of the published tables, and those in which sources disagree."""
    stored = read(ROOT / "data" / "published_results.json")
    for section in ("card", "paper", "discrepancies"):
        for row in stored[section]["rows"]:
            for figure in (*DOMAINS, "average"):
                yield Entry(
                    id=f"published/{section}/{slug(row['model'] or 'human')}/{slug(row['method'])}"
                    f"/{figure}",
                    value=row[figure],
                    unit="%",
                    kind="published",
                    model=row["model"],
                    method=row["method"],
                    data=f"MMAU test-mini {stored['release']}",
                    source=row["source"]["url"],
                    note=row["source"]["note"],
                )


def tasks_of_tiny_mmau() -> Counter[str]:
    """How many test questions of each task there are, and of all."""
    counts = Counter(row["task"] for row in read(TINY / "tiny-mmau.json"))
    return counts + Counter(average=counts.total())


def accuracy(id: str, percent: float, n: int, **fields: Any) -> Entry:
    """An own accuracy, with its interval."""
    low, high = wilson_interval(round(percent * n / 100), n)
    return Entry(id=id, value=percent, unit="%", n=n, low=low, high=high, **fields)


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
        yield Entry(
            id=f"{stem}/difference",
            value=test["difference"],
            unit="points",
            n=stored["n"],
            **common,
        )
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
        low, high = part["difference_ci95"]
        yield Entry(
            id=f"{stem}/difference",
            value=part["difference"],
            unit="points",
            n=stored["n"],
            low=low,
            high=high,
            **common,
        )
        yield Entry(id=f"{stem}/changed", value=part["changed"], unit="%", n=stored["n"], **common)


def run_name(row: RoadRow, rate: float, seed: int) -> str:
    """Of the file of one training of a row."""
    return Run(REGIMES[row.regime], ROADS[row.road], rate, seed).name


def experiment() -> Iterator[Entry]:
    """All trained roads: means over seeds, each seed, comparisons, and what the search found."""
    if not (RESULTS / "runs").is_dir():
        return
    records = load_records(RESULTS)
    first = records[0]
    summary = summarise(records)
    for row in summary.rows:
        plan = "table" if row.regime == "table" else "regimes"
        # A table's row is one of `r1aqa table`; the regimes are not: they are other tasks.
        stem = (
            f"tiny/experiment/{row.road}" if plan == "table" else f"regime/{row.regime}/{row.road}"
        )
        seeds = f"{len(row.seeds)} seeds" if len(row.seeds) > 1 else "1 seed"
        prompt = ROADS[row.road].prompt
        # The run that README reports has these two roads, too.
        several = f", {seeds}" if row.road in ("sft", "grpo-2") else ""
        common = {
            "model": "tiny-qwen2-audio",
            "method": f"{row.road.removesuffix(f'-{prompt}')} <{prompt}>{several}",
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
        low, high = one.ci95
        common = {
            "model": "tiny-qwen2-audio",
            "data": "tiny-mmau",
            "command": "r1aqa experiment summary data/results/tiny",
            "source": "data/results/tiny/runs",
            "n": summary.rows[0].n,
        }
        yield Entry(
            id=f"{stem}/difference",
            value=one.difference,
            unit="points",
            low=low,
            high=high,
            note=f"mean of {len(one.per_seed)} seeds",
            **common,
        )
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
    low, high = test["difference_ci95"]
    stem = "tiny/cascade-strong-against-weak"
    yield Entry(
        id=f"{stem}/difference",
        value=test["difference"],
        unit="points",
        n=stored["n"],
        low=low,
        high=high,
        **common,
    )
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


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """The numbers in a JSON value; of lists, only those of objects are entered."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, (*path, slug(str(key))))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            if isinstance(part, dict):
                yield from leaves(part, (*path, str(place)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def recorded(kind: str, stem: str, path: Path, command: str) -> Iterator[Entry]:
    """Every number of a record, by its place in the file."""
    stored = read(path)
    fields = origin(stored, path)
    n = stored.get("n") if isinstance(stored.get("n"), int) else None
    for place, value in leaves(stored):
        yield Entry(
            id="/".join((stem, *place)), value=value, n=n, kind=kind, command=command, **fields
        )


def benchmarks() -> Iterator[Entry]:
    """The benchmarks' files, and what pre-training recorded."""
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        if path.stem == "budgets":
            continue
        command = f"python benchmarks/{path.stem}.py"
        yield from recorded("benchmark", f"benchmark/{path.stem}", path, command)
    yield from recorded(
        "own",
        "tiny/pretraining",
        TINY / "pretraining.json",
        "python -m r1aqa_helpers.tiny.pretraining --until record",
    )


def budgets() -> Iterator[Entry]:
    """What each profile takes, in the units of README's table, and how it compares with reality."""
    path = ROOT / "benchmarks" / "results" / "budgets.json"
    stored = read(path)
    fields = {
        **origin(stored["where"], path),
        "kind": "benchmark",
        "command": "python benchmarks/budgets.py",
    }
    for name, profile in stored["profiles"].items():
        for figure, unit, divisor in (("memory", "GB", 1e9), ("minutes", "min", 1.0)):
            for part, told in profile[figure].items():
                least = ", at least" if told["at_least"] else ""
                yield Entry(
                    id=f"budget/{name}/{figure}/{part}",
                    value=told["value"] / divisor,
                    unit=unit,
                    data=profile["gpu"] or "",
                    note=told["source"] + least,
                    **fields,
                )
    for place, value in leaves(stored["checks"]):
        yield Entry(id="/".join(("budget/checks", *place)), value=value, **fields)


def printed(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The measured figures in a cell's output: their names, and fields of an entry."""
    for line in text.splitlines():
        if found := _ACCURACY.match(line):
            numbers = {name: float(found[name]) for name in ("value", "low", "high")}
            yield found["name"], {**numbers, "n": int(found["n"]), "unit": "%"}
        elif found := _VALUE.match(line):
            value, tolerance = float(found["value"]), found["tolerance"]
            note = f"held to ± {tolerance} when run again"
            yield found["name"], {"value": value, "unit": found["unit"] or "", "note": note}


def notebooks() -> Iterator[Entry]:
    """The measured figures in the notebooks' stored outputs."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        number, seen = path.name[:2], Counter[str]()
        for cell in read(path)["cells"]:
            for output in cell.get("outputs", []):
                for name, fields in printed("".join(output.get("text", ""))):
                    stem = f"notebook/{number}/{slug(name)}"
                    seen[stem] += 1
                    again = f"-{seen[stem]}" if seen[stem] > 1 else ""
                    yield Entry(
                        id=stem + again,
                        kind="notebook",
                        method=name,
                        command=f"scripts/notebooks.py run {number}",
                        source=f"notebooks/{path.name}",
                        **fields,
                    )
    path = ROOT / "data" / "course" / "notebooks.json"
    for number, profiles in read(path).items():
        for profile, row in profiles.items():
            for figure, unit in (("seconds", "s"), ("peak_gb", "GB")):
                yield Entry(
                    id=f"notebook/{number}/card/{profile}/{figure}",
                    value=row[figure],
                    unit=unit,
                    kind="notebook",
                    command=f"scripts/notebooks.py measure {number}",
                    hardware=row["hardware"],
                    date=row["date"],
                    source=str(path.relative_to(ROOT)),
                )


def entries() -> list[Entry]:
    """The whole ledger."""
    parts = (
        published,
        reference_run,
        probes,
        experiment,
        cascade,
        text_model,
        sampled,
        benchmarks,
        budgets,
        notebooks,
    )
    return [entry for part in parts for entry in part()]


def strays(text: str, known: list[Entry]) -> list[str]:
    """Numbers with decimals, in the generated blocks of a README, that no entry has."""
    values = [v for e in known for v in (e.value, e.low, e.high) if v is not None]
    found = []
    for block in re.findall(r"<!-- (?:\w+):begin -->(.*?)<!-- \w+:end -->", text, re.DOTALL):
        for number in re.findall(r"(?<![\w.])\d[\d,]*\.\d+(?:e-?\d+)?(?![\w]*\.\d)", block):
            plain = number.replace(",", "")
            if "e" in plain:
                same = any(f"{v:.2g}" == plain for v in values)
            else:
                decimals = len(plain.partition(".")[2])
                same = any(f"{abs(v):.{decimals}f}" == plain for v in values)
            if not same:
                found.append(number)
    return found


def main() -> int:
    """Run the script; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where stale")
    options = parser.parse_args()
    found = entries()
    if not options.check:
        write_ledger(LEDGER, found)
        print(f"{len(found)} numbers in {LEDGER.relative_to(ROOT)}")
    faults = []
    if LEDGER.read_text(encoding="utf-8") != ledger_text(found):
        faults.append("data/results/ledger.csv is stale; run: uv run scripts/ledger.py")
    for name in SHOWN:
        stray = strays((ROOT / name).read_text(encoding="utf-8"), found)
        if stray:
            faults.append(f"{name}: no row of the ledger has {', '.join(stray)}")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
