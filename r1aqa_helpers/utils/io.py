"""Reading and writing text, JSON and JSON lines: every fault is one clear line.

A file is written under a temporary name and renamed, so that it is whole or not there. Only logs
grow line by line: an interruption may tear the last line, which `read_log` and
`append_jsonl` discard.
"""

import contextlib
import hashlib
import json
import math
import os
import secrets
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import first_line, shown, shown_value

PathLike = str | os.PathLike[str]


# --- writing ------------------------------------------------------------------------------


def write_bytes(path: PathLike, data: bytes) -> None:
    """Write ``data``, making folders as needed; the file appears whole or not at all.

    Raises:
        UserError: the folder or the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with told(path, "written", "choose another place"):
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
    """Add one line to a log; with ``flush`` it is on the disk when this returns.

    A torn last line, left by an interruption, is cut away first.

    Raises:
        UserError: the folder or the file cannot be written.
        ValueError: ``row`` holds NaN or an infinity.
    """
    path, line = Path(path), _line(row).encode("utf-8")
    with told(path, "written", "choose another place"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as stream:
            if end := stream.seek(0, os.SEEK_END):
                stream.seek(end - 1)
                if stream.read(1) != b"\n":
                    stream.seek(0)
                    stream.truncate(stream.read().rfind(b"\n") + 1)
            stream.write(line)
            if flush:
                stream.flush()
                os.fsync(stream.fileno())


def _line(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


@contextlib.contextmanager
def told(path: PathLike, done: str, do: str) -> Iterator[None]:
    """Turn errors of the operating system into one line that says what to ``do``."""
    try:
        yield
    except FileNotFoundError as fault:
        raise UserError(f"{shown(path)}: no such file; {meant(path)}") from fault
    except IsADirectoryError as fault:
        raise UserError(f"{shown(path)}: is a folder and cannot be {done}; give a file") from fault
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or first_line(fault)
        raise UserError(f"{shown(path)}: cannot be {done} ({reason}); {do}") from fault


# --- reading ------------------------------------------------------------------------------


@contextlib.contextmanager
def open_file(path: PathLike) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Raises:
        UserError: missing, not readable, or a folder, pipe or device, which might never end.
    """
    with told(path, "read", "check the path"), open(path, "rb", opener=_without_waiting) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise UserError(f"{shown(path)}: is no regular file and cannot be read; give a file")
        yield stream


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has neither flag nor pipes


def read_bytes(path: PathLike) -> bytes:
    """The content of a file. Raises as `open_file`."""
    with open_file(path) as stream:
        return stream.read()


def meant(path: PathLike) -> str:
    """What to do about a missing file: name the one that is meant, where that can be guessed.

    A name on the way to it may differ in case or in the Unicode form of accents, and a backslash
    may stand for a slash.
    """
    found = Path()
    try:
        for name in Path(os.fspath(path).replace("\\", "/")).parts:
            if not (found / name).exists():
                wanted = _folded(name)
                name = next(n for n in sorted(os.listdir(found)) if _folded(n) == wanted)
            found /= name
    except (OSError, ValueError, StopIteration):
        return "check the path"
    return f"did you mean {shown(found)}? Case, slashes and the Unicode form of accents count"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def file_hash(path: PathLike) -> str:
    """SHA-256 of a file, as hexadecimal digits. Raises as `open_file`."""
    digest = hashlib.sha256()
    with open_file(path) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def json_digest(value: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of a value as JSON: a short name for its content."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def read_json(path: PathLike) -> Any:
    """The value in a JSON file.

    Raises:
        UserError: as `open_file`; empty, not UTF-8, not JSON (with line and column).
    """
    text = _decode(read_bytes(path), path)
    if not text.strip():
        raise UserError(f"{shown(path)}: is empty; give a JSON file")
    return _parse(text, path)


def read_jsonl(path: PathLike) -> list[tuple[int, Any]]:
    """The values of a JSON-lines file with their line numbers, from 1; blank lines hold none.

    Raises:
        UserError: as `open_file`; not UTF-8, or a line that is not JSON.
    """
    return _parse_lines(read_bytes(path), path)


def read_log(path: PathLike) -> list[dict[str, Any]]:
    """The rows that `append_jsonl` wrote; none where the file is not there yet.

    A last line without its newline was torn by an interruption and is left out.

    Raises:
        UserError: as `read_jsonl`; also where a line holds no JSON object.
    """
    if not os.path.lexists(path):
        return []
    data = read_bytes(path)
    rows = _parse_lines(data[: data.rfind(b"\n") + 1], path)
    for number, row in rows:
        if not isinstance(row, dict):
            raise UserError(
                f"{shown(path)}:{number}: holds {shown_value(row)}, not a JSON object;"
                " remove the line, or the file to start again"
            )
    return [row for _, row in rows]


def _decode(data: bytes, path: PathLike) -> str:
    try:
        return data.decode("utf-8-sig")  # editors on Windows put a byte order mark first
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise UserError(
            f"{shown(path)}:{line}: not UTF-8 (byte 0x{data[fault.start]:02x});"
            " save the file as UTF-8"
        ) from fault


def _parse_lines(data: bytes, path: PathLike) -> list[tuple[int, Any]]:
    # Not splitlines(): U+2028 and its like may stand unescaped inside a JSON string.
    lines = _decode(data, path).split("\n")
    return [(n, _parse(line, path, n)) for n, line in enumerate(lines, 1) if line.strip()]


def _parse(text: str, path: PathLike, line: int | None = None) -> Any:
    """JSON without NaN, infinity and unpaired surrogates, which could not be written again."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except json.JSONDecodeError as fault:
        line, reason = line or fault.lineno, f"column {fault.colno}: {fault.msg}"
    except (ValueError, RecursionError) as fault:
        reason = first_line(fault)
    place = shown(path) if line is None else f"{shown(path)}:{line}"
    raise UserError(f"{place}: not valid JSON ({reason}); fix the file or fetch it again")


def _refuse(name: str) -> Any:
    raise ValueError(f"{shown(name)} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)
