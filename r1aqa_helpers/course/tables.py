"""One way to show a table: a pandas DataFrame under a caption, escaped, the same in every run."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from r1aqa_helpers.utils.untrusted import html, plain_lines

#: Attribute of a cell whose text begins at the left.
LEFT = 'style="text-align:left"'


class Table:
    """Rows under a caption; a notebook shows it as HTML, a terminal as text.

    Attributes:
        caption: what the table shows, in a line.
        frame: the rows, to compute with.
    """

    def __init__(
        self, caption: str, rows: Sequence[Sequence[Any]], columns: Sequence[str] = ()
    ) -> None:
        """Take cells as they are to be shown; without ``columns`` there is no head."""
        self.caption = caption
        self._headed = bool(columns)
        self.frame = pd.DataFrame(list(rows), columns=list(columns) or None).map(_cell)

    def __repr__(self) -> str:
        rows = [list(self.frame.columns)] if self._headed else []
        rows += self.frame.to_numpy().tolist()
        return plain_lines("\n".join([self.caption, *("; ".join(row) for row in rows)]))

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):  # whole cells
            page = self.frame.to_html(index=False, border=0, header=self._headed)
        # pandas has escaped the cells, so that these tags are its own.
        page = page.replace("<td>", f"<td {LEFT}>").replace("<th>", f'<th scope="col" {LEFT}>')
        head, rest = page.split(">", 1)
        return f"{head}><caption {LEFT}><b>{html(self.caption)}</b></caption>{rest}"


def _cell(content: object) -> str:
    return plain_lines(content, None)
