"""Markup in which everything is escaped that is not markup by its type."""

import html
import string
from collections.abc import Iterable, Sequence
from typing import Any


class Html(str):
    """Text that is markup already; every other string is escaped by :func:`fill`."""


def fill(template: str, **values: Any) -> Html:
    """``template`` with each ``$name`` replaced: escaped, unless it is :class:`Html`."""
    safe = {
        name: value if isinstance(value, Html) else html.escape(str(value))
        for name, value in values.items()
    }
    return Html(string.Template(template).substitute(safe))


def join(parts: Iterable[Html]) -> Html:
    """The parts, one after another."""
    return Html("\n".join(parts))


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table with a caption; the first cell of each row is its heading."""
    return fill(
        '<div class="wide"><table><caption>$caption</caption>\n<thead><tr>$header</tr></thead>\n'
        "<tbody>$rows</tbody></table></div>",
        caption=caption,
        header=join(fill('<th scope="col">$cell</th>', cell=cell) for cell in header),
        rows=join(
            fill(
                '<tr><th scope="row">$first</th>$rest</tr>',
                first=row[0],
                rest=join(fill("<td>$cell</td>", cell=cell) for cell in row[1:]),
            )
            for row in rows
        ),
    )


def number(value: float | None, digits: int) -> str:
    """With so many digits, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
