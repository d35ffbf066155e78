r"""Text from models, files, servers and names, made safe to show: the one place that does it.

What cannot be printed (control characters, escape sequences of terminals, marks that turn the
direction of writing) is shown as Python writes it, such as ``\x1b``, and lines have a length
that somebody can read.
"""

import html as _html
import os
import re
from collections.abc import Callable

#: Characters of a line on the terminal, of a message, and of a name and a value in one.
LINE, MESSAGE, NAME, VALUE = 2000, 1000, 200, 60

#: Marks that mean something in Markdown, or make a link of what follows.
_MARKS = re.compile(r"([\\`*_{}\[\]()#+.!|~$^=:@-])")


def plain(text: object, limit: int | None = NAME) -> str:
    """``text`` as one printable line; of more than ``limit`` characters, the middle is left out."""
    line = _cut(_text(text), limit)
    return line if line.isprintable() else _cut("".join(map(_printable, line)), limit)


def plain_lines(text: object, limit: int | None = LINE) -> str:
    """``text`` with its line ends, each line as `plain` makes it."""
    lines = _text(text).expandtabs().split("\n")
    return "\n".join(plain(line.removesuffix("\r"), limit) for line in lines)


def shown(name: str | os.PathLike[str]) -> str:
    """A name or a path for a message, see `plain`."""
    return plain(os.fspath(name))


def shown_value(value: object, limit: int = VALUE) -> str:
    """A value for a message, as Python writes it, in at most about ``limit`` characters."""
    return plain(_text(value, repr), limit)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, see `plain`."""
    lines = _text(error).strip().splitlines() or [type(error).__name__]
    return plain(lines[0])


def html(text: object) -> str:
    """``text`` as itself in HTML, between tags or in a quoted attribute."""
    return _html.escape(plain_lines(text, None))


def markdown(text: object) -> str:
    """``text`` on one line, as itself in Markdown, also in a table's cell; long ones are cut."""
    line = " ".join("".join(c if c.isprintable() else " " for c in _text(text)).split())
    line = _MARKS.sub(r"\\\1", line if len(line) <= NAME else line[: NAME - 1] + "…")
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(value: object, write: Callable[[object], str] = str) -> str:
    try:
        return write(value)
    except (ValueError, RecursionError):  # integers of thousands of digits, lists in lists
        return f"a {type(value).__name__} too large to show"


def _cut(line: str, limit: int | None) -> str:
    if limit is None or len(line) <= limit:
        return line
    return f"{line[: limit // 2]}…{line[len(line) + 1 - limit // 2 :]}"


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace() and not character.isascii():
        return " "
    return character.encode("unicode_escape").decode("ascii")
