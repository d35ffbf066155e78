"""Write data/results/ledger.csv, a row per number that the project shows.

    uv run scripts/ledger.py            write it
    uv run scripts/ledger.py --check    fail where it is stale, or where a shown number has no row

Everything is read from committed files: the published figures, the results of runs and probes,
the record of pre-training, the benchmarks, and the outputs of the notebooks. None is typed here.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ledger_parts.common import ROOT, TINY, leaves, origin, read, recorded, slug
from ledger_parts.own import (
    cascade,
    experiment,
    probes,
    reference_run,
    sampled,
    text_model,
)

from r1aqa_helpers.ledger import LEDGER, Entry, ledger_text, write_ledger
from r1aqa_helpers.results.published import DOMAINS

SHOWN = ("README.md", "data/README.md")

#: What `r1aqa_helpers.course.printed` prints.
_ACCURACY = re.compile(
    r"^(?P<name>.+): (?P<value>[\d.]+) % "
    r"\(95 %: (?P<low>[\d.]+) to (?P<high>[\d.]+), n (?P<n>\d+)\)$"
)
_VALUE = re.compile(
    r"^(?P<name>.+): (?P<value>-?[\d.]+) ± (?P<tolerance>[\d.]+)(?: (?P<unit>.+))?$"
)


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
        "python scripts/pretrain_tiny.py --until record",
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
                yield Entry(
                    id=f"budget/{name}/{figure}/{part}",
                    value=told["value"] / divisor,
                    unit=unit,
                    data=profile["gpu"] or "",
                    note=told["source"],
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
