"""The tables of the page: measured, published, by group, verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..results import (
    COLUMNS,
    DOMAINS,
    MEANING,
    NOTE,
    Published,
    group_cells,
    group_name,
    groups_figure,
)
from ..scoring import Score
from .curves import svg_of
from .markup import Html, fill, join, number, table


def measured_table(rows: Sequence[Mapping[str, Any]]) -> Html:
    """The run's own rows."""
    return table(
        "Accuracy in percent by MMAU's match; the interval is the average's",
        ["Method", "Prompt", *DOMAINS, "average", "95 % interval", "n", "seconds", "training, s"],
        [
            [
                row["method"],
                f"<{row['prompt']}>",
                *(number(row[name], 2) for name in (*DOMAINS, "average")),
                "–".join(number(end, 1) for end in row["ci95"]),
                str(row["n"]),
                number(row["seconds"], 0),
                number(row.get("train_seconds"), 0),
            ]
            for row in rows
        ],
    )


def published_tables(published: Published) -> Html:
    """The published rows, each with its source."""
    note = fill(
        "<p>$benchmark. * From the MMAU site, not run again by the authors.</p>",
        benchmark=published.benchmark,
    )
    parts = (("The model card's rows", published.card), ("Only in the paper", published.paper))
    tables = (
        table(
            caption,
            ["Model", "Method", *DOMAINS, "average"],
            [
                [
                    row.model or "–",
                    row.method + ("*" if row.from_mmau_site else ""),
                    *(number(getattr(row, name), 2) for name in (*DOMAINS, "average")),
                ]
                for row in rows
            ],
        )
        for caption, rows in parts
    )
    return join([note, *tables])


def groups_section(
    method: str, groups: Sequence[Score], confused: Sequence[tuple[str, str, int]]
) -> Html:
    """Where one method is right: a figure, the table behind it, and its confusions."""
    if not groups:
        return Html("")
    rows = [[group_name(group), group.grouping, *group_cells(group)] for group in groups]
    told = fill(
        '<figure><div role="img" aria-label="$label">$svg</div>'
        "<figcaption>$label</figcaption></figure>",
        label=f"{method}: accuracy of each group of questions; the table below has the figures.",
        svg=svg_of(groups_figure(groups), "groups"),
    )
    shown = table(f"{method} by group of questions", ["Group", "by", *COLUMNS], rows)
    parts = [
        fill("<h2>By category, sub-category and difficulty</h2>$figure", figure=told),
        fill('$table<p class="note">$note</p>', table=shown, note=NOTE),
    ]
    if confused:
        head = ["Right answer", "What was said", "times"]
        cells = [[gold, said, str(times)] for gold, said, times in confused]
        parts.append(table(f"{method}: taken for another choice most often", head, cells))
    return join(parts)


def verdicts_section(found: Sequence[Mapping[str, Any]], reason: str | None) -> Html:
    """The verdict on each published row, or why there is none."""
    if reason is not None:
        return fill("<p>$reason</p>", reason=reason)
    rows = [
        [
            f"{row['method']} <{row['prompt']}>",
            name,
            number(part["published"], 2),
            number(part["measured"], 2),
            "–".join(number(end, 1) for end in part["ci95"]),
            str(part["n"]),
            part["verdict"],
        ]
        for row in found
        for name, part in row["parts"].items()
    ]
    sources = join(
        fill(
            "<li>$label: $model, $method; $note</li>",
            label=f"{row['method']} <{row['prompt']}>",
            model=row["published"]["model"],
            method=row["published"]["method"],
            note=row["published"]["note"],
        )
        for row in found
    )
    head = ["Row", "Part", "published", "measured", "95 % interval", "n", "verdict"]
    return join(
        [
            table("Published accuracy beside the measured one, in percent", head, rows),
            fill('<p class="note">$meaning</p><ul>$sources</ul>', meaning=MEANING, sources=sources),
        ]
    )


def comparison(test: Mapping[str, Any]) -> str:
    """A paired test in a line."""
    return (
        f"{test['a']} <{test['a_prompt']}> against {test['b']} <{test['b_prompt']}>:"
        f" {test['difference']:+.1f} points, McNemar's exact test p = {test['mcnemar_p']:.2g}"
    )
