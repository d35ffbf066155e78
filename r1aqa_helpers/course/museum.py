"""The error museum's case cards, its index and its table from symptom to measurement.

The words stand in ``data/course/museum.json``; notebook 11 raises what they describe.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from IPython.display import display

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json, shown
from r1aqa_helpers.paths import DATA

CASES = DATA / "course" / "museum.json"
_LEFT = ' style="text-align:left;vertical-align:top"'


@dataclass(frozen=True)
class Case:
    """One failure: what one sees, what it is taken for, what tells it apart, what mends it."""

    number: int
    hall: str
    title: str
    voice: str  #: loud, late or silent: does it raise, when it is too late, or never
    symptom: str
    alike: str
    test: str
    mend: str
    wild: tuple[tuple[str, str], ...]  #: where it happened: words and address

    def rows(self) -> list[tuple[str, str]]:
        """The card's lines: a label and its text."""
        return [
            ("symptom", self.symptom),
            ("looks like", self.alike),
            ("test", self.test),
            ("mend", self.mend),
        ]


def cases() -> list[Case]:
    """All cases, by number.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return [
            Case(**{**row, "number": number, "wild": tuple(map(tuple, row["wild"]))})
            for number, row in enumerate(read_json(CASES)["cases"], 1)
        ]
    except (TypeError, KeyError) as error:
        raise UserError(f"{shown(CASES)}: a case lacks a field ({error})") from error


def case(number: int) -> Case:
    """One case.

    Raises:
        UserError: there is none of that number.
    """
    known = cases()
    if not 1 <= number <= len(known):
        raise UserError(f"exhibit {number}: there are exhibits 1 to {len(known)}")
    return known[number - 1]


class Table:
    """Rows under a caption, as text and as HTML; the first cell of each row heads it."""

    def __init__(
        self, caption: str, rows: Sequence[Sequence[Any]], head: Sequence[str] = ()
    ) -> None:
        """Take cells as text, as a list of texts in order, or of (text, address) for links."""
        self.caption, self.rows, self.head = caption, rows, head

    def __repr__(self) -> str:
        lines = [self.caption]
        lines += ["; ".join(_plain(cell) for cell in row) for row in self.rows]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col"{_LEFT}>{html.escape(text)}</th>' for text in self.head)
        body = "".join(
            f'<tr><th scope="row"{_LEFT}>{_marked(row[0])}</th>'
            + "".join(f"<td{_LEFT}>{_marked(cell)}</td>" for cell in row[1:])
            + "</tr>"
            for row in self.rows
        )
        caption = f'<caption style="text-align:left"><b>{html.escape(self.caption)}</b></caption>'
        top = f"<thead><tr>{head}</tr></thead>" if head else ""
        return f"<table>{caption}{top}<tbody>{body}</tbody></table>"


def card(number: int) -> None:
    """Show an exhibit's case card.

    Raises:
        UserError: there is none of that number.
    """
    one = case(number)
    rows: list[Sequence[Any]] = [*one.rows()]
    if one.wild:
        rows.append(("in the wild", list(one.wild)))
    display(Table(f"Exhibit {number} · {one.title} ({one.voice})", rows))


def index() -> None:
    """Show what is on display: number, hall, title, and whether the failure speaks."""
    rows = [(str(one.number), one.hall, one.title, one.voice) for one in cases()]
    display(Table("On display", rows, ("exhibit", "hall", "failure", "voice")))


def differential() -> None:
    """Show the table from what one sees to the measurements to take, in order."""
    rows = [(row["see"], row["measure"]) for row in read_json(CASES)["differential"]]
    display(Table("Differential diagnosis", rows, ("you see", "measure, in this order")))


def _plain(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    return " · ".join(part if isinstance(part, str) else part[0] for part in cell)


def _marked(cell: Any) -> str:
    if isinstance(cell, str):
        return _code(cell)
    if all(isinstance(part, str) for part in cell):
        return f'<ol style="margin:0">{"".join(f"<li>{_code(part)}</li>" for part in cell)}</ol>'
    return " · ".join(
        f'<a href="{html.escape(address, quote=True)}">{html.escape(text)}</a>'
        for text, address in cell
    )


def _code(text: str) -> str:
    """Escaped, with what stands in backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(
        f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)
    )
