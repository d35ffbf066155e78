"""The whole table: all published rows, baselines, and own rows, reported beside reproduced.

A published figure and one of the tiny track are of different models and tests: the table shows how
methods compare within a track, not how near the tiny model comes to 7B.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from r1aqa_helpers.data import AudioQuestion, identify
from r1aqa_helpers.reporting.human import answers_file, human_row
from r1aqa_helpers.reporting.rows import (
    DOMAINS,
    FIGURES,
    Published,
    ResultRow,
    load_measured,
    measured_row,
    read_scored,
)
from r1aqa_helpers.reporting.tables import rich_table
from r1aqa_helpers.reporting.verdict import UNLIKE, published_beside
from r1aqa_helpers.scoring.text import interval_text, number_text
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY, TINY_RESULTS, place
from r1aqa_helpers.utils.untrusted import plain, shown

_COLUMNS = ("method", *DOMAINS, "all", "own: track", *DOMAINS, "all", "95 % CI", "n")


def run_rows(results: Path, track: str | None = None) -> list[ResultRow]:
    """The rows of a ``results.json``; their track is the profile that it names.

    Raises:
        UserError: there is none, or it is none of a run's.
    """
    rows = load_measured(results)
    track = track or plain(read_json(results).get("profile", "own"))
    return [replace(row, track=track, source=shown(place(results)), model="") for row in rows]


def committed_rows() -> list[ResultRow]:
    """What the project measured on the tiny track: baselines, cascades, runs, means over seeds."""
    names = ("probes", "cascade", "sampled")
    probes, cascade, sampled = (TINY_RESULTS / f"{name}.json" for name in names)
    rows = [_named(row, "baseline", probes) for row in read_json(probes)["baselines"]]
    rows += [_named(row, "own", cascade) for row in read_json(cascade)["rows"]]
    rows += run_rows(TINY / "reference_run" / "results.json")
    rows += run_rows(TINY_RESULTS / "experiment.json", "tiny")
    for row in read_json(sampled)["rows"]:
        rows.append(
            ResultRow(
                "direct",
                row["prompt"],
                **row["tasks"],
                average=row["mean"],
                ci95=tuple(row["ci95"]),
                n=row["seeds"][0]["n"],
                variant=f"sampled, {len(row['seeds'])} seeds",
                source=place(sampled),
            )
        )
    return [replace(row, track="tiny") for row in rows]


def _named(row: Mapping[str, Any], kind: str, path: Path) -> ResultRow:
    return ResultRow(
        row["name"],
        **{name: part["accuracy"] for name, part in row["tasks"].items()},
        average=row["accuracy"],
        ci95=tuple(row["ci95"]),
        n=row["n"],
        kind=kind,
        source=place(path),
        note=row["about"],
    )


def table_rows(published: Published, own: Iterable[ResultRow]) -> list[dict[str, Any]]:
    """All rows: the published ones with what was reproduced, baselines, then own rows left over.

    Each has ``model``, ``method``, ``kind`` (published, baseline, human or own), ``reported``
    (sound, music, speech, average, source; or None) and ``reproduced`` (the same, with n, ci95,
    track; or None).
    """
    left, rows = list(own), []
    for reported in (*published.card, *published.paper):
        wanted = [one for one in left if _belongs(published, reported, one)]
        # A run of one's own comes before the committed rows, a run before a mean over seeds.
        wanted.sort(key=lambda one: (one.track == "tiny", one.variant != ""))
        if wanted:
            left.remove(wanted[0])
        rows.append(_row(reported, wanted[0] if wanted else None))
    for kind in ("baseline", "own", "human"):
        rows += [_row(None, one) for one in left if one.kind == kind]
    return rows


def _belongs(published: Published, reported: ResultRow, own: ResultRow) -> bool:
    """Whether it is the same method, or was scored under the published row's own name."""
    if "human" in (reported.kind, own.kind):
        return reported.kind == own.kind
    return own.label == reported.name or published_beside(published, own) is reported


def _row(reported: ResultRow | None, own: ResultRow | None) -> dict[str, Any]:
    both = [row for row in (reported, own) if row is not None]
    figures = [{name: getattr(row, name) for name in (*FIGURES, "source")} for row in both]
    told, reproduced = figures[0] if reported else None, figures[-1] if own else None
    if own is not None and reproduced is not None:
        known = {"n": own.n, "ci95": own.ci95 and list(own.ci95), "track": own.track}
        reproduced |= {**known, "method": own.label}
    return {
        "model": both[0].model,
        "method": both[0].label if reported is None else reported.method,
        "kind": both[0].kind,
        "reported": told,
        "reproduced": reproduced,
    }


def load_table(
    published: Published,
    runs: Sequence[Path] = (),
    questions: Sequence[AudioQuestion] = (),
    scored: Sequence[Path] = (),
) -> list[dict[str, Any]]:
    """`table_rows` of what is committed, further runs, scored files, and the listening test.

    Raises:
        UserError: a run's folder, or a scored row, that cannot be read.
    """
    own = [read_scored(path) for path in scored]
    own += [row for folder in runs for row in run_rows(folder / "results.json")]
    state = answers_file("tiny")
    if heard := human_row(questions, state):
        row = measured_row("you", None, heard, None, identify(questions, state))
        own.append(replace(row, kind="human", track="tiny", source=shown(state)))
    return table_rows(published, [*own, *committed_rows()])


def print_table(rows: Sequence[Mapping[str, Any]], published: Published) -> tuple[Table, Text]:
    """The table for a terminal, and the note that belongs under it."""
    table = rich_table(_COLUMNS, _cells(rows))
    table.columns[5].justify = "left"
    note = Text(
        f"Accuracies in percent. Left: as reported for {published.benchmark}. Right: own runs,"
        " each on the test of its track; the tiny track's model and test are this project's own,"
        f" so its figures compare with one another and not with those on the left. {UNLIKE}"
    )
    own = [row["reproduced"] for row in rows if row["reproduced"] is not None]
    given = {one["method"]: one["source"] for one in own if not one["source"].startswith("data/")}
    for method, source in given.items():
        note.append(f"\n{method}: from {plain(source)}")
    return table, note


def _cells(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    last = ""
    for row in rows:
        if row["kind"] in ("baseline", "own") and row["kind"] != last:
            yield []
        last = row["kind"]
        reported, own = row["reported"], row["reproduced"]
        name = row["method"]
        if reported is not None:
            name = ResultRow(row["method"], model=row["model"], kind=row["kind"]).name
        cells = [name, *(number_text((reported or {}).get(figure), 2) for figure in FIGURES)]
        if own is None:
            yield [*cells, "not run", *["–"] * 6]
        else:
            figures = [number_text(own[figure], 1) for figure in FIGURES]
            yield [*cells, own["track"], *figures, interval_text(own["ci95"]), str(own["n"])]
