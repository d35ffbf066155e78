"""Reading and writing text, JSON and JSON lines: every fault is one clear line.

Files are written under a temporary name beside their place and renamed, so that a reader
sees the old file or the new one, never half of one. Journals, which grow line by line,
are the exception: an interruption may tear their last line, and `read_journal` and
`append_jsonl` both discard such a torn end.
"""

import json
import math
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from r1aqa_helpers.errors import UserError

PathLike = str | os.PathLike[str]


def shown(path: PathLike) -> str:
    """The path as text that is safe to print: escaped where it holds control characters."""
    text = os.fspath(path)
    return text if text.isprintable() else repr(text)


def shown_value(value: object, limit: int = 60) -> str:
    """A value as one printable piece of at most about ``limit`` characters, for messages."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


# --- writing ------------------------------------------------------------------------------


def write_bytes(path: PathLike, data: bytes) -> None:
    """Write ``data``, making folders as needed; the file appears whole or not at all.

    Raises:
        UserError: the folder or the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as fault:
        raise _not_writable(path, fault) from fault


def write_text(path: PathLike, text: str) -> None:
    """Write ``text`` as UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: PathLike, obj: Any) -> None:
    """Write ``obj`` as indented JSON; see `write_bytes`.

    Raises:
        ValueError: ``obj`` holds NaN or an infinity, which JSON has not.
    """
    write_text(path, json.dumps(obj, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_jsonl(path: PathLike, rows: Iterable[Any]) -> None:
    """Write one JSON value a line; see `write_json`."""
    write_text(path, "".join(map(_line, rows)))


def append_jsonl(path: PathLike, row: Any, flush: bool = True) -> None:
    """Add one line to a journal; with ``flush`` it is on the disk when this returns.

    A torn last line, left by an interruption, is cut away first, so that the new line does
    not grow onto it.

    Raises:
        UserError: the folder or the file cannot be written.
        ValueError: ``row`` holds NaN or an infinity.
    """
    path, line = Path(path), _line(row).encode("utf-8")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as stream:
            end = stream.seek(0, os.SEEK_END)
            if end:
                stream.seek(end - 1)
                if stream.read(1) != b"\n":
                    stream.seek(0)
                    stream.truncate(stream.read().rfind(b"\n") + 1)
            stream.write(line)
            if flush:
                stream.flush()
                os.fsync(stream.fileno())
    except (OSError, ValueError) as fault:
        raise _not_writable(path, fault) from fault


def _line(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _not_writable(path: Path, fault: Exception) -> UserError:
    reason = getattr(fault, "strerror", None) or str(fault)
    return UserError(f"{shown(path)}: cannot be written ({reason}); choose another place")


# --- reading ------------------------------------------------------------------------------


def read_json(path: PathLike) -> Any:
    """The value in a JSON file.

    Raises:
        UserError: missing, a folder, empty, not UTF-8, not JSON (with line and column).
    """
    text = _read_utf8(path)
    if not text.strip():
        raise UserError(f"{shown(path)}: is empty; give a JSON file")
    return _parse(text, path)


def read_jsonl(path: PathLike) -> list[tuple[int, Any]]:
    """The values of a JSON-lines file with their line numbers, from 1; blank lines hold none.

    Raises:
        UserError: missing, a folder, not UTF-8, or a line that is not JSON.
    """
    return _parse_lines(_read_utf8(path), path)


def read_journal(path: PathLike) -> list[dict[str, Any]]:
    """The rows that `append_jsonl` wrote; none where the file is not there yet.

    A last line without its newline was torn by an interruption and is left out.

    Raises:
        UserError: as `read_jsonl`; also where a line holds no JSON object.
    """
    if not os.path.lexists(path):
        return []
    data = read_bytes(path)
    text = _decode(data[: data.rfind(b"\n") + 1], path)
    rows = []
    for number, row in _parse_lines(text, path):
        if not isinstance(row, dict):
            raise UserError(
                f"{shown(path)}:{number}: holds {shown_value(row)}, not a JSON object;"
                " remove the line, or the file to start afresh"
            )
        rows.append(row)
    return rows


def read_bytes(path: PathLike) -> bytes:
    """The content of a file.

    Raises:
        UserError: missing, a folder, or not readable.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as fault:
        raise UserError(f"{shown(path)}: no such file; check the path") from fault
    except IsADirectoryError as fault:
        raise UserError(f"{shown(path)}: is a folder; give a file") from fault
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise UserError(f"{shown(path)}: cannot be read ({reason}); check the path") from fault


def _read_utf8(path: PathLike) -> str:
    return _decode(read_bytes(path), path)


def _decode(data: bytes, path: PathLike) -> str:
    try:
        return data.decode("utf-8-sig")  # editors on Windows put a byte order mark first
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise UserError(
            f"{shown(path)}:{line}: not UTF-8 (byte 0x{data[fault.start]:02x});"
            " save the file as UTF-8"
        ) from fault


def _parse_lines(text: str, path: PathLike) -> list[tuple[int, Any]]:
    # Not splitlines(): U+2028 and its like may stand unescaped inside a JSON string.
    lines = text.split("\n")
    return [(n, _parse(line, path, n)) for n, line in enumerate(lines, 1) if line.strip()]


def _parse(text: str, path: PathLike, line: int | None = None) -> Any:
    """Strict JSON: no NaN or infinity, no number that overflows, no unpaired surrogate."""
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except json.JSONDecodeError as fault:
        line, column, reason = line or fault.lineno, f" column {fault.colno}:", fault.msg
        if fault.pos >= len(text.rstrip()) or fault.msg.startswith("Unterminated string"):
            reason += ": it breaks off here"
    except UnicodeEncodeError:
        column, reason = "", "an unpaired surrogate escape"
    except RecursionError:
        column, reason = "", "nested too deeply"
    except ValueError as fault:  # from the two hooks, or an integer of thousands of digits
        column, reason = "", str(fault).split(";")[0]
    place = shown(path) if line is None else f"{shown(path)}:{line}"
    raise UserError(f"{place}:{column} not valid JSON ({reason}); mend the file or fetch it anew")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number too large")
    return number
