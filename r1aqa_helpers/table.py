"""The whole table: all published rows, floors, and own rows, reported beside reproduced.

Own figures come from the ledger, from the folder of a run that is named, from anyone's predictions
that were scored, and from the reader's own listening test. A published figure and one of the tiny
track are of different models and tests: the table shows which roads were run and how they compare
within a track, not how near the tiny model comes to the 7B one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from r1aqa_helpers.files import read_json
from r1aqa_helpers.ledger import Entry, read_ledger
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.results import (
    DOMAINS,
    MeasuredRow,
    Published,
    PublishedRow,
    load_measured,
    read_scored,
)
from r1aqa_helpers.results.human import answers_file, human_row

_FIGURES = (*DOMAINS, "average")
_PLAIN = "Direct Inference"  # goes without saying where space is short

#: Published (section, model, method) and the own roads beside it: of several, the first that ran.
BESIDE: dict[tuple[str, str, str], tuple[str, ...]] = {
    ("card", "Llama-3-8B-Instruct + Strong Cap.", "Direct Inference"): ("cascade-strong",),
    ("card", "Llama-3-8B-Instruct + Weak Cap.", "Direct Inference"): ("cascade-weak",),
    ("card", "Qwen2-Audio-7B-Instruct", "Direct Inference"): ("direct <2>",),
    ("card", "Qwen2-Audio-7B-Instruct", "CoTA"): ("cota", "cota <3>"),
    ("card", "Qwen2-Audio-7B-Instruct", "Zero-Shot-CoT"): ("zero-shot-cot <3>",),
    ("card", "Qwen2-Audio-7B-Instruct", "GRPO (Ours)"): ("grpo <2>", "r1-aqa <2>"),
    ("paper", "Qwen2-Audio-7B-Instruct", "SFT Full + Prompt <1>"): ("sft <1>", "sft <2>"),
    ("paper", "Qwen2-Audio-7B-Instruct", "SFT LoRA + Prompt <1>"): ("sft-lora <2>",),
    ("paper", "Qwen2-Audio-7B-Instruct", "GRPO + Prompt <3>"): ("grpo <3>",),
}


@dataclass(frozen=True)
class Own:
    """An own figure per task and over all, in percent."""

    method: str
    kind: str  #: own, floor or human
    track: str  #: tiny, or the profile of a run
    figures: Mapping[str, float | None]
    n: int
    ci95: tuple[float, float]
    source: str

    def as_dict(self) -> dict[str, Any]:
        """What stands under ``reproduced``."""
        told = {name: self.figures.get(name) for name in _FIGURES}
        return {
            **told,
            "n": self.n,
            "ci95": list(self.ci95),
            "track": self.track,
            "method": self.method,
            "source": self.source,
        }


def ledger_rows(ledger: Mapping[str, Entry]) -> list[Own]:
    """The own rows and floors of the tiny track: entries ``tiny/GROUP/ROW/FIGURE``."""
    rows: dict[str, dict[str, Entry]] = {}
    for id, entry in ledger.items():
        stem, _, figure = id.rpartition("/")
        if figure in _FIGURES and stem.startswith("tiny/") and entry.kind in ("own", "floor"):
            rows.setdefault(stem, {})[figure] = entry
    return [
        Own(
            method=parts["average"].method,
            kind=parts["average"].kind,
            track="tiny",
            figures={name: entry.value for name, entry in parts.items()},
            n=parts["average"].n,
            ci95=(parts["average"].low, parts["average"].high),
            source=parts["average"].source,
        )
        for parts in rows.values()
        # A figure without an interval, such as the level of chance, is no row of its own.
        if "average" in parts and parts["average"].low is not None
    ]


def run_rows(folder: Path) -> list[Own]:
    """The rows of a run of ``r1aqa reproduce``.

    Raises:
        UserError: the folder has no ``results.json``, or it is none of a run's.
    """
    path = folder / "results.json"
    measured: Sequence[MeasuredRow] = load_measured(path)
    track = str(read_json(path).get("profile", "own"))
    return [
        Own(
            method=row.label,
            kind="own",
            track=track,
            figures={name: getattr(row, name) for name in _FIGURES},
            n=row.n,
            ci95=row.ci95,
            source=str(path),
        )
        for row in measured
    ]


def scored_row(path: Path) -> Own:
    """The row of a file of predictions that was scored with ``r1aqa score --out``.

    Raises:
        UserError: as `results.read_scored`.
    """
    row = read_scored(path)
    return Own(
        method=row.method,
        kind="own",
        track=row.test_set.name,
        figures={name: getattr(row, name) for name in _FIGURES},
        n=row.n,
        ci95=row.ci95,
        source=row.source,
    )


def own_listening(questions: Sequence[AudioQuestion], profile: str = "tiny") -> list[Own]:
    """The reader's own row, where they have answered any of ``questions``; else none."""
    state = answers_file(profile)
    heard = human_row(questions, state)
    if heard is None:
        return []
    figures = {name: part.percent for name, part in heard.tasks.items()}
    return [
        Own(
            method="you",
            kind="human",
            track=profile,
            figures={**figures, "average": heard.average},
            n=heard.n,
            ci95=heard.ci95,
            source=str(state),
        )
    ]


def table_rows(published: Published, own: Iterable[Own]) -> list[dict[str, Any]]:
    """All rows: the published ones with what was reproduced, floors, then own rows left over.

    Each has ``model``, ``method``, ``kind`` (published, floor, human or own), ``reported`` (sound,
    music, speech, average, source; or None) and ``reproduced`` (the same, with n, ci95, track; or
    None).
    """
    left = list(own)
    rows = []
    for section, reported in (("card", published.card), ("paper", published.paper)):
        for row in reported:
            beside = _take(left, row, section)
            kind = "human" if not row.model else "published"
            rows.append(_row(row.model, row.method, kind, row, beside))
    for kind in ("floor", "own", "human"):
        rows += [_row("", one.method, kind, None, one) for one in left if one.kind == kind]
    return rows


def _take(left: list[Own], row: PublishedRow, section: str) -> Own | None:
    """The own row that belongs beside a published one; it is taken out of ``left``."""
    if not row.model:
        wanted = [one for one in left if one.kind == "human"]
    else:
        # Predictions that were scored under the row's own name, and then what was run here.
        names = (row_name(row.model, row.method),)
        names += BESIDE.get((section, row.model, row.method), ())
        # A run of one's own comes before the committed rows of the tiny track.
        found = [one for name in names for one in left if one.method == name]
        found += [one for name in names for one in left if _over_seeds(one.method, name)]
        wanted = sorted(found, key=lambda one: one.track == "tiny")
    if not wanted:
        return None
    left.remove(wanted[0])
    return wanted[0]


def _over_seeds(method: str, name: str) -> bool:
    """Whether ``method`` is the mean over seeds of the road called ``name``."""
    return re.fullmatch(re.escape(name) + r", \d+ seeds?", method) is not None


def _row(
    model: str, method: str, kind: str, reported: PublishedRow | None, own: Own | None
) -> dict[str, Any]:
    return {
        "model": model,
        "method": method,
        "kind": kind,
        "reported": None
        if reported is None
        else {**{name: getattr(reported, name) for name in _FIGURES}, "source": reported.source},
        "reproduced": None if own is None else own.as_dict(),
    }


def load_table(
    published: Published,
    runs: Sequence[Path] = (),
    questions: Sequence[AudioQuestion] = (),
    scored: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """`table_rows` of the ledger, further runs, scored files, and the reader's listening test.

    Raises:
        UserError: a run's folder, or a scored row, that cannot be read.
    """
    own = [scored_row(path) for path in scored]
    own += [row for folder in runs for row in run_rows(folder)]
    own += own_listening(questions) if questions else []
    return table_rows(published, [*own, *ledger_rows(read_ledger())])


def print_table(rows: Sequence[Mapping[str, Any]], published: Published) -> tuple[Table, Text]:
    """The table for a terminal, and the note that belongs under it."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("method", no_wrap=True)
    for name in ("sound", "music", "speech", "all"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("own: track", no_wrap=True)
    for name in ("sound", "music", "speech", "all", "95 % CI", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    last = rows[0]["kind"] if rows else ""
    for row in rows:
        if row["kind"] in ("floor", "own") and row["kind"] != last:
            table.add_section()
        last = row["kind"]
        name = row_name(row["model"], row["method"])
        reported, own = row["reported"], row["reproduced"]
        cells = [_figure((reported or {}).get(figure), 2) for figure in _FIGURES]
        if own is None:
            cells += ["not run", *["–"] * 6]
        else:
            low, high = own["ci95"]
            cells += [Text(own["track"]), *(_figure(own[figure], 1) for figure in _FIGURES)]
            cells += [f"{low:.1f}–{high:.1f}", str(own["n"])]
        table.add_row(Text(name), *cells)
    note = Text(
        f"Accuracies in percent. Left: as reported for {published.benchmark}. Right: own runs,"
        " each on the test of its track; the tiny track's model and test are this project's own,"
        " so its figures compare with one another and not with those on the left. Every figure's"
        " origin: data/results/ledger.csv."
    )
    # What is not in the ledger: runs of one's own, and what was scored for somebody.
    found = {}
    for row in rows:
        own = row["reproduced"]
        if own is not None and not own["source"].startswith("data/"):
            found[own["method"]] = own["source"]
    for method, source in found.items():
        note.append(f"\n{method}: from {source}")
    return table, note


def row_name(model: str, method: str) -> str:
    """What a row is called where space is short."""
    parts = [model, method if method != _PLAIN else ""]
    return ", ".join(part for part in parts if part)


def _figure(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"
