"""Run, check and measure the course's notebooks.

    uv run scripts/notebooks.py run 06 07    run notebooks and store their outputs
    uv run scripts/notebooks.py measure      the same, and seconds and peak memory for the cards
    uv run scripts/notebooks.py bands 06     run it with five other seeds, and write the bands of
                                             these runs and the stored one
    uv run scripts/notebooks.py common       write the set-up cells and the hosts' metadata, and
                                             the first cells of a notebook that is not there
    uv run scripts/notebooks.py check [06]   list faults; exit 1 if there are any
    uv run scripts/notebooks.py map          write the table of notebooks/README.md

What was trained before is not used: each call trains again, once for all notebooks. Timings,
progress and widgets' states, which differ between runs, are not stored. Edit a notebook
in JupyterLab, or as text: jupytext --to py:percent writes one, and jupytext --update --to ipynb
applies the changes.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import nbformat
from anatomy import SETUP, UNSTORED, faults, host_metadata, printed
from course_times import course_times
from nbclient import NotebookClient
from nbformat import NotebookNode

from r1aqa_helpers.course.notebooks import MEASURED, NOTEBOOKS, card_table, find_notebook
from r1aqa_helpers.course.printed import BANDS, band, measured_lines, read_bands
from r1aqa_helpers.course.session import RUNS_VARIABLE, SEED_VARIABLE
from r1aqa_helpers.course.training_curves import is_live
from r1aqa_helpers.experiments.bands import row_band
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.utils.io import read_json, write_json, write_text
from r1aqa_helpers.utils.machine import hardware

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
CELL_SECONDS = 900
_PEAK = "import resource; resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
_MAP = re.compile(r"(?<=<!-- map:begin -->\n).*(?=\n<!-- map:end -->)", re.DOTALL)


def notebook_path(number: str) -> Path:
    return FOLDER / find_notebook(number).file


def read(number: str) -> NotebookNode:
    return nbformat.read(notebook_path(number), as_version=4)


def execute(
    notebook: NotebookNode, folder: Path = FOLDER, kernel: str = "python3"
) -> tuple[float, float]:
    """Run all cells in order in a fresh kernel; returns seconds and the peak memory in GB.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed that should not.
    """
    notebook.cells.append(nbformat.v4.new_code_cell(_PEAK))
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name=kernel,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    start = time.monotonic()
    try:
        client.execute()
    finally:
        last = notebook.cells.pop()
    seconds = time.monotonic() - start
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, int(last.outputs[0].data["text/plain"]) * unit / 1e9


def store(notebook: NotebookNode, number: str) -> None:
    """Write the notebook without what differs from one run to the next."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        outputs = [] if UNSTORED in cell.metadata.get("tags", []) else cell.outputs
        cell.outputs = [o for o in outputs if o.get("name") != "stderr" and not is_live(o)]
        for output in cell.outputs:
            for kind in list(output.get("data", {})):
                if "widget" in kind:
                    del output.data[kind]
            if output.output_type == "error":
                # The frames name this machine's folders; the last line is the message.
                output.traceback = output.traceback[-1:]
    nbformat.validate(notebook)
    write_text(notebook_path(number), nbformat.writes(notebook) + "\n")


def first_cells(number: str) -> NotebookNode:
    """A notebook with its title, set-up, card and roadmap, for its author to go on from."""
    v4, setup = nbformat.v4, [_setup_cell(tag) for tag in SETUP]
    cells = [
        v4.new_markdown_cell(f"# {number} · {find_notebook(number).title}"),
        *setup,
        v4.new_code_cell(f'course.card("{number}")\ncourse.roadmap("{number}")'),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    for index, cell in enumerate(notebook.cells):
        cell.id = f"{number}-{index}"
    return notebook


def _setup_cell(tag: str) -> NotebookNode:
    return nbformat.v4.new_code_cell(SETUP[tag], metadata={"tags": [tag]}, id=f"set-up-{tag}")


def write_common(number: str) -> None:
    """Update what all notebooks share, without running the notebook."""
    path = notebook_path(number)
    notebook = read(number) if path.is_file() else first_cells(number)
    for tag, text in reversed(SETUP.items()):
        tagged = [c for c in notebook.cells if tag in c.metadata.get("tags", [])]
        if not tagged:
            notebook.cells.insert(1, _setup_cell(tag))
        for cell in tagged:
            cell.source = text
    for name in ("accelerator", "colab", "kaggle"):
        notebook.metadata.pop(name, None)
    notebook.metadata.update(host_metadata(number))
    new = nbformat.writes(notebook) + "\n"
    if not path.is_file() or new != path.read_text(encoding="utf-8"):
        write_text(path, new)
        print(path.relative_to(ROOT))


def write_bands(number: str, seeds: int) -> None:
    """Run a notebook with seeds 1, 2, …, and write the bands of the lines that differ.

    The stored outputs are the run with seed 0. Bands of the experiment are read again from its
    results. ``seeds`` 0: these alone.
    """
    source, bands = "experiment, ", {}
    for name, one in read_bands(number).items():
        if one["from"].startswith(source):
            low, high = row_band(*one["from"].removeprefix(source).split(", "))
            bands[name] = {"low": round(low, 2), "high": round(high, 2), "from": one["from"]}
        elif not seeds:
            bands[name] = one
    runs = []
    for seed in range(seeds + 1) if seeds else ():
        notebook = read(number)
        if seed:
            os.environ[SEED_VARIABLE] = str(seed)
            seconds, _ = execute(notebook)
            print(f"{number}: seed {seed}, {seconds:.0f} s", flush=True)
        lines: dict[str, list[str]] = {}
        for line in printed(notebook):
            for name in measured_lines(line):
                lines.setdefault(name, []).append(line)
        runs.append(lines)
    for name in runs[0].keys() - bands.keys() if runs else ():
        each = [lines.get(name, []) for lines in runs]
        numbers = [[measured_lines(line)[name] for line in lines] for lines in each]
        if all(one == numbers[0] for one in numbers):
            continue
        if any(len(lines) != 1 for lines in each):
            raise SystemExit(f"{number}: print {name!r} once in every run, to give it a band")
        if interval := band([line for (line,) in each]):
            low, high = interval
            made = f"{len(runs)} runs of this notebook, seeds 0 to {seeds}"
            bands[name] = {"low": low, "high": high, "from": made}
    bands = dict(sorted(bands.items()))
    known = read_json(BANDS) if BANDS.is_file() else {}
    known.pop(number, None)
    write_json(BANDS, dict(sorted({**known, **({number: bands} if bands else {})}.items())))


def check(numbers: list[str]) -> int:
    found = [f"{number}: {line}" for number in numbers for line in faults(read(number), number)]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


def run(number: str, measured: bool) -> None:
    """Run a notebook and store its outputs; if ``measured``, update its card as well."""
    notebook = read(number)
    seconds, peak = execute(notebook)
    if measured:
        known = read_json(MEASURED)
        known.setdefault(number, {})[TINY_PROFILE.name] = {
            "seconds": round(seconds, 1),
            "peak_gb": round(peak, 2),
            "hardware": hardware(),
            "date": date.today().isoformat(),
        }
        write_json(MEASURED, dict(sorted(known.items())))
        # The card was shown before the measured run had ended.
        card = card_table(number)
        for output in (o for c in notebook.cells for o in c.get("outputs", [])):
            if str(output.get("data", {}).get("text/plain", "")).startswith(card.caption):
                output.data = {"text/html": card._repr_html_(), "text/plain": repr(card)}
    store(notebook, number)
    print(f"{number}: {seconds:.0f} s, {peak:.1f} GB", flush=True)


def course_map() -> str:
    """The table of the notebooks, as Markdown."""
    lines = ["| | notebook | run | read | exercises |", "|---|---|--:|--:|--:|"]
    for took in course_times():
        one = took.notebook
        lines.append(
            f"| {one.number} | [{one.title}]({one.file}) | {took.run} | {took.reading} min "
            f"| {len(took.exercises)}, {took.practice} min |"
        )
    return "\n".join(lines)


def write_map(check: bool) -> int:
    """Write the table of notebooks/README.md, or only check that it is up to date."""
    readme = FOLDER / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = _MAP.sub(lambda _: course_map(), old)
    if check and new != old:
        print("notebooks/README.md: its table is stale; run scripts/notebooks.py map")
    elif not check:
        write_text(readme, new)
    return int(check and new != old)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "measure", "bands", "common", "check", "map"])
    parser.add_argument("numbers", nargs="*", help="notebooks, like 06; by default all")
    parser.add_argument("--check", action="store_true", help="map: write nothing, exit 1 if stale")
    parser.add_argument("--seeds", type=int, default=5, help="bands: how many others; 0: none")
    args = parser.parse_args()
    numbers = args.numbers or [one.number for one in NOTEBOOKS]
    if args.what == "map":
        return write_map(args.check)
    if args.what == "check":
        return check(numbers)
    with tempfile.TemporaryDirectory(prefix="r1aqa-notebooks-") as runs:
        os.environ[RUNS_VARIABLE] = runs
        for number in numbers:
            if args.what == "common":
                write_common(number)
            elif args.what == "bands":
                write_bands(number, args.seeds)
            else:
                run(number, measured=args.what == "measure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
