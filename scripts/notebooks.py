"""Write, run, check and measure the course's notebooks.

    uv run scripts/notebooks.py text 06      notebook -> notebooks/text/06_….py, to be edited
    uv run scripts/notebooks.py build 06     that text -> notebook, run from top to bottom
    uv run scripts/notebooks.py run 06 07    run notebooks as they are, store their outputs anew
    uv run scripts/notebooks.py common       what all share: set-up cell, and what hosts are asked
    uv run scripts/notebooks.py check [06]   what is not as it should be; exit 1 when anything is
    uv run scripts/notebooks.py measure      the same, and seconds and peak memory for the cards
    uv run scripts/notebooks.py map          write the table of notebooks/README.md from them
    uv run scripts/notebooks.py html 06 OUT  the notebook as a page

A notebook is edited as text (jupytext's percent format), and stored with its outputs. What
would differ from one run to the next is not stored: timings, progress, widgets' state.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import jupytext
import nbformat
from anatomy import EXERCISE, RATING, SETUP, UNSTORED, faults, host_metadata, words
from nbclient import NotebookClient
from nbformat import NotebookNode

from r1aqa_helpers.course.cards import MEASURED, Card
from r1aqa_helpers.course.notebooks import STAGES, stage
from r1aqa_helpers.files import read_json, write_json, write_text
from r1aqa_helpers.profiles import TINY_PROFILE, hardware

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
TEXT = NOTEBOOKS / "text"
WHAT = ["text", "build", "run", "common", "check", "measure", "map", "html"]
CELL_SECONDS = 900
_PEAK = "import resource; resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"


def notebook_path(number: str) -> Path:
    return NOTEBOOKS / stage(number).file


def text_path(number: str) -> Path:
    return TEXT / Path(stage(number).file).with_suffix(".py").name


def written() -> list[str]:
    """Numbers of the notebooks that exist."""
    return [s.number for s in STAGES if notebook_path(s.number).exists()]


def read(number: str) -> NotebookNode:
    return nbformat.read(notebook_path(number), as_version=4)


def to_text(number: str) -> None:
    """Write the notebook as text, without outputs; the set-up cell's common body is left out."""
    notebook = read(number)
    for cell in _setup_cells(notebook):
        cell.source = ""
    notebook.metadata = {"jupytext": {"cell_markers": '"""'}, **notebook.metadata}
    TEXT.mkdir(exist_ok=True)
    write_text(text_path(number), jupytext.writes(notebook, fmt="py:percent"))
    print(text_path(number).relative_to(ROOT))


def from_text(number: str) -> NotebookNode:
    """The notebook that a text describes, not yet run."""
    notebook = jupytext.read(text_path(number), fmt="py:percent")
    for cell in _setup_cells(notebook):
        cell.source = SETUP
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        **host_metadata(number),
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
        # From the text, so that an edit elsewhere does not change a cell's id.
        digest = hashlib.sha256(f"{cell.cell_type}{cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return notebook


def execute(notebook: NotebookNode) -> tuple[float, float]:
    """Run all cells in order in a fresh kernel; returns seconds and the peak memory in GB.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed that was not meant to.
    """
    notebook.cells.append(nbformat.v4.new_code_cell(_PEAK))
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        on_cell_executed=_progress(len(notebook.cells)),
    )
    start = time.monotonic()
    try:
        client.execute()
    finally:
        print(file=sys.stderr)
        last = notebook.cells.pop()
    seconds = time.monotonic() - start
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, int(last.outputs[0].data["text/plain"]) * unit / 1e9


def store(notebook: NotebookNode, number: str) -> None:
    """Write the notebook without whatever differs from one run to the next."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        outputs = [] if UNSTORED in cell.metadata.get("tags", []) else cell.outputs
        cell.outputs = [o for o in outputs if o.get("name") != "stderr"]
        for output in cell.outputs:
            for kind in list(output.get("data", {})):
                if "widget" in kind:
                    del output.data[kind]
            if output.output_type == "error":
                # The frames name this machine's folders; the last line says what happened.
                output.traceback = output.traceback[-1:]
    nbformat.validate(notebook)
    write_text(notebook_path(number), nbformat.writes(notebook))


def write_common(number: str) -> None:
    """Write anew what all notebooks share, without running it; outputs and all else stay."""
    notebook, path = read(number), notebook_path(number)
    for cell in _setup_cells(notebook):
        cell.source = SETUP
    for name in ("accelerator", "colab", "kaggle"):
        notebook.metadata.pop(name, None)
    notebook.metadata.update(host_metadata(number))
    old = path.read_text(encoding="utf-8")
    new = nbformat.writes(notebook) + "\n" * old.endswith("\n")
    if new != old:
        write_text(path, new)
        print(path.relative_to(ROOT))


def check(numbers: list[str]) -> int:
    status = 0
    for number in numbers:
        notebook = read(number)
        found = faults(notebook, number, notebook_path(number).stat().st_size)
        code = [c for c in notebook.cells if c.cell_type == "code"]
        print(
            f"{number}: {len(notebook.cells)} cells, {len(code)} of code, {words(notebook)} words"
        )
        for fault in found:
            print(f"  {fault}")
            status = 1
    return status


def measure(numbers: list[str]) -> None:
    """Run each notebook, store its outputs, and write what it took, on its card as well."""
    for number in numbers:
        notebook = read(number)
        seconds, peak = execute(notebook)
        measured = read_json(MEASURED)
        measured.setdefault(number, {})[TINY_PROFILE.name] = {
            "seconds": round(seconds, 1),
            "peak_gb": round(peak, 2),
            "hardware": hardware(),
            "date": date.today().isoformat(),
        }
        write_json(MEASURED, dict(sorted(measured.items())))
        # The card was shown before the run that it tells of had ended.
        card = Card(number)
        for output in (o for c in notebook.cells for o in c.get("outputs", [])):
            if str(output.get("data", {}).get("text/plain", "")).startswith(card.title):
                output.data = {"text/html": card._repr_html_(), "text/plain": repr(card)}
        store(notebook, number)
        print(f"{number}: {seconds:.0f} s, {peak:.1f} GB", flush=True)


def course_map() -> str:
    """The table of the notebooks, as Markdown."""
    measured = read_json(MEASURED)
    lines = ["| | notebook | run | read | exercises |", "|---|---|--:|--:|--:|"]
    for one in STAGES:
        number = one.number
        if not notebook_path(number).exists():
            lines.append(f"| {number} | {one.title} | not written yet | | |")
            continue
        notebook = read(number)
        texts = [c.source for c in notebook.cells if c.cell_type == "markdown"]
        count = sum(bool(EXERCISE.search(text)) for text in texts)
        ratings = [m[0] for text in texts if (m := RATING.search(text))]
        minutes = sum(int(rating.split(" · ")[2].split()[0]) for rating in ratings)
        took = measured.get(number, {}).get(TINY_PROFILE.name)
        run = f"{took['seconds']:.0f} s" if took else "not measured"
        reading = round(words(notebook) / 200)
        lines.append(
            f"| {number} | [{one.title}]({one.file}) | {run} | {reading} min "
            f"| {count}, {minutes} min |"
        )
    return "\n".join(lines)


def with_map(text: str) -> str:
    """notebooks/README.md with its table written anew."""
    begin, end = "<!-- map:begin -->", "<!-- map:end -->"
    head, tail = text.split(begin)[0], text.split(end)[1]
    return f"{head}{begin}\n{course_map()}\n{end}{tail}"


def to_html(number: str, out: Path) -> None:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter().from_notebook_node(read(number))
    write_text(out, page)


def _setup_cells(notebook: NotebookNode) -> Iterator[NotebookNode]:
    return (c for c in notebook.cells if "setup" in c.metadata.get("tags", []))


def _progress(total: int):
    def show(cell: NotebookNode, cell_index: int, **_: object) -> None:
        print(f"\rcell {cell_index + 1} of {total}", end="", file=sys.stderr, flush=True)

    return show


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("numbers", nargs="*", help="notebooks, like 06; by default all")
    parser.add_argument("--check", action="store_true", help="map: write nothing, exit 1 if stale")
    args = parser.parse_args()
    if args.what == "html":
        to_html(args.numbers[0], Path(args.numbers[1]))
        return 0
    if args.what == "map":
        readme = NOTEBOOKS / "README.md"
        old = readme.read_text(encoding="utf-8")
        new = with_map(old)
        if not args.check:
            write_text(readme, new)
        elif new != old:
            print("notebooks/README.md: its table is stale; run scripts/notebooks.py map")
            return 1
        return 0
    numbers = args.numbers or written()
    if args.what == "check":
        return check(numbers)
    if args.what == "measure":
        measure(numbers)
        return 0
    if args.what == "common":
        for number in numbers:
            write_common(number)
        return 0
    for number in numbers:
        if args.what == "text":
            to_text(number)
            continue
        notebook = from_text(number) if args.what == "build" else read(number)
        seconds, _ = execute(notebook)
        store(notebook, number)
        print(f"{notebook_path(number).relative_to(ROOT)}: run in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
