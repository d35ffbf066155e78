"""MMAU test-mini as released, made ready: a file of questions and its recordings.

MMAU (https://github.com/Sakshi113/MMAU) comes in two shapes. *JSON* beside a folder of
recordings, and *parquet* (``gamma-lab-umd/MMAU-test-mini`` on the Hugging Face Hub), whose rows
hold ``context`` (the recording's bytes), ``instruction``, ``choices`` and ``answer`` with letters
in front ("(A) Man"), and the labels as JSON text in ``other_attributes``. And in two releases,
which are two tests: of the 894 ids that v1 and v05.15.25 share, 258 differ. Which one a file is,
its content says, not its name.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import pyarrow
import pyarrow.parquet

from ..audio import load_audio
from ..errors import UserError
from ..files import PathLike, read_bytes, read_json, shown, shown_value, write_bytes, write_json
from ..progress import track
from .question import AudioQuestion
from .rows import Fault, Recordings, kind, mmau_question
from .writing import write_mmau

SOURCE = "source.json"

#: SHA-256 of the ids and of the content (`content_hash`) of the releases, from MMAU's own
#: mmau-test-mini.json of 2025-03-25 (commit 1f675a9) and of 2025-08-09 (commit f0a4a97).
RELEASES = {
    "v1": (
        "00215abf6c8778e8e9876796975e954de1da4651337e098ed5b9797c19943fe4",
        "bdeedb58c022656c3868f0ccf5b835af5c0a4e7e2835076085bb294f4446353f",
    ),
    "v05.15.25": (
        "c9ab3b5bdcbf55a62fd07125c5f17a6a91a362ef8548d3c3f265e29c25790750",
        "60b1050b81009bd3c640840c8e3709fa05d36de802c32ab5bf9d62daea1cf5ad",
    ),
}

_LETTER = re.compile(r"\(([A-Z])\)\s*")
_ROWS = 4  # of a parquet file that are in memory at a time
#: Names of one and the same column in the copies that are about.
_AUDIO, _QUESTION = ("context", "audio"), ("instruction", "question")
_STARTS = {b"RIFF": ".wav", b"RF64": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff"}
_SPARE = 1.05  # a file system needs a little more than the files


@dataclass(frozen=True)
class LeftOut:
    """A question that is not in the file."""

    place: str  #: where it stood
    id: str | None
    kind: str  #: ``missing`` or ``broken`` (its recording), or ``faulty`` (the row)
    reason: str


@dataclass(frozen=True)
class Fetched:
    """What has been made ready."""

    questions: Path  #: MMAU's JSON
    source: Path  #: what is known about it, as JSON
    version: str | None  #: of `RELEASES`; None for another set of ids
    exact: bool  #: whether all texts are those of that release
    n: int  #: questions written
    left_out: tuple[LeftOut, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many questions were left out as missing, broken and faulty."""
        counted = Counter(each.kind for each in self.left_out)
        return {kind: counted[kind] for kind in ("missing", "broken", "faulty")}


def fetch_mmau(
    version: str | None = None,
    folder: PathLike | None = None,
    out: PathLike | None = None,
) -> Fetched:
    """Make MMAU test-mini ready to be asked: questions, recordings, and what they are.

    Recordings are written as they come, under names made from their content, so that the same
    call goes on where it was interrupted. A question that has a fault, or whose recording is
    missing or cannot be decoded, is left out and listed in ``source.json``.

    Args:
        version: the release that it must be; by default, whichever it is.
        folder: where MMAU already is, in either shape, or its file of questions; by default
            it is downloaded from the Hub.
        out: folder to write to; by default ``runs/mmau-test-mini-VERSION``.

    Raises:
        UserError: nothing is found, or more than one set of questions; it is another release;
            no question is usable; the disk is too small; or the Hub cannot be reached.
    """
    if version is not None and version not in RELEASES:
        raise UserError(f"--version {shown(version)}: unknown; use {' or '.join(RELEASES)}")
    if folder is None:
        from .mmau_hub import download

        place, origin = download(version, Path("runs" if out is None else out))
    else:
        place = Path(folder)
        origin = {"folder": Path(os.path.abspath(place)).name}
    found = _choose(_look(place), version, place)
    name = f"mmau-test-mini-{found.version}" if found.version else "mmau"
    out = Path("runs", name) if out is None else Path(out)
    return _write(found, origin, out, name)


def content_hash(questions: Iterable[AudioQuestion]) -> str:
    """SHA-256 of ids, questions, choices and answers: what decides which test it is.

    Order, labels, recordings and white space around and between words do not count.
    """
    rows = (
        [q.id, *map(_words, (q.question, *q.choices)), _words(q.answer or "")] for q in questions
    )
    return _sha256_of(sorted(rows))


def release_of(questions: Sequence[AudioQuestion]) -> tuple[str | None, bool]:
    """The release that has just these ids, and whether the content is its too."""
    return _release([q.id for q in questions], questions)


def unlettered(choices: Any, answer: Any) -> tuple[Any, Any]:
    """Choices "(A) …", "(B) …" without their letters, and the answer as it stands among them.

    Choices that do not all have the letter of their place, and what is no list of texts, come
    back unchanged. An answer may be one of the choices, or only its letter.
    """
    if not isinstance(choices, list) or not choices or not isinstance(answer, str | None):
        return choices, answer
    letters = [_LETTER.match(c) if isinstance(c, str) else None for c in choices]
    if not all(m and m[1] == chr(ord("A") + place) for place, m in enumerate(letters)):
        return choices, answer
    plain = [c[m.end() :] for c, m in zip(choices, letters, strict=True)]
    if not all(plain):
        return choices, answer
    only = {form: plain[i] for i, m in enumerate(letters) for form in (m[1], f"({m[1]})")}
    if answer in choices:
        answer = plain[choices.index(answer)]
    elif answer is not None and answer not in plain:
        answer = only.get(answer.strip(), answer)
    return plain, answer


def check_space(place: Path, needed: float) -> None:
    """Raise `UserError` where the disk of ``place`` has less than ``needed`` bytes free."""
    there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if needed * _SPARE > free:
        raise UserError(
            f"{shown(place)}: needs {needed * _SPARE / 1e9:.2f} GB, and {free / 1e9:.2f} GB are"
            " free; make room, or choose another disk"
        )


def sha256_of_file(path: PathLike) -> str:
    """SHA-256 of a file, as hexadecimal digits.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as fault:
        raise UserError(f"{shown(path)}: cannot be read ({fault.strerror})") from fault


# --- finding ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """A set of questions in a folder, whatever its shape."""

    files: tuple[Path, ...]
    rows: tuple[tuple[str, str | None, AudioQuestion | Fault], ...]  # place, id, question
    clips: Callable[[], Iterator[bytes | str]]  # by row; a text says why there is none
    size: int  # bytes of the recordings, about
    version: str | None
    exact: bool


def _look(place: Path) -> list[_Found]:
    """All sets of questions in a folder, or in one file; the first fault where there is none."""
    if place.is_file():
        files, folder = [place], place.parent
    elif place.is_dir():
        found = [*place.glob("*"), *place.glob("*/*")]
        files, folder = sorted(p for p in found if p.is_file() and p.name != SOURCE), place
    else:
        raise UserError(f"{shown(place)}: no such folder; give that of MMAU")
    parquet = [path for path in files if path.suffix.lower() == ".parquet"]
    sets, faults = [], []
    if parquet:
        try:
            sets.append(_from_parquet(parquet))
        except UserError as fault:
            faults.append(fault)
    for path in files:
        if path.suffix.lower() == ".json":
            try:
                items = read_json(path)
            except UserError as fault:
                faults.append(fault)
                continue
            if isinstance(items, list) and any(map(_is_item, items)):
                sets.append(_from_json(path, items, folder))
    if not sets and faults:
        raise faults[0]
    if not sets:
        raise UserError(
            f"{shown(place)}: holds no questions of MMAU; give a folder with mmau-test-mini.json"
            " and its recordings, unpacked, or with the parquet files of the Hub"
        )
    return sets


def _choose(sets: list[_Found], version: str | None, place: Path) -> _Found:
    known = [found for found in sets if found.version]
    if version is not None:
        right = [found for found in known if found.version == version]
        if not right:
            others = ", ".join(sorted({f.version or "another set" for f in sets}))
            raise UserError(
                f"{shown(place)}: holds {others} of MMAU's questions, not {version};"
                f" give --from a folder that has {version}, or leave --version away"
            )
    else:
        right = known or sets
    # Where both shapes lie side by side, parquet has its recordings with it.
    if len(right) > 1 and not (_is_parquet(right[0]) and len({f.version for f in right}) == 1):
        names = ", ".join(shown(f.files[0].name) for f in right)
        raise UserError(
            f"{shown(place)}: holds {len(right)} sets of questions ({names});"
            " name one with --version, or give --from the file"
        )
    return right[0]


def _is_parquet(found: _Found) -> bool:
    return found.files[0].suffix.lower() == ".parquet"


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and {"id", "audio_id", "question", "choices"} <= item.keys()


def _from_json(path: Path, items: list[Any], folder: Path) -> _Found:
    folder = Path(os.path.abspath(folder))
    recordings = Recordings(folder, by_name=False)
    rows = _rows(((f"{path.name}: item {n}", item) for n, item in enumerate(items)), recordings)
    named = defaultdict(list)
    for where, _, names in os.walk(folder):
        for name in names:
            named[name].append(Path(where, name))
    paths = [_clip(row[2], folder, named) for row in rows]

    def clips() -> Iterator[bytes | str]:
        for clip in paths:
            try:
                yield clip if isinstance(clip, str) else read_bytes(clip)
            except UserError as fault:
                yield str(fault)

    size = sum(clip.stat().st_size for clip in paths if isinstance(clip, Path))
    return _found((path,), rows, clips, size)


def _clip(question: AudioQuestion | Fault, folder: Path, named: dict[str, list[Path]]) -> Any:
    """The recording that a question names, inside the folder only, or why there is none."""
    if isinstance(question, Fault):
        return "the question has a fault"
    audio = question.audio
    if audio.is_relative_to(folder) and audio.is_file():
        return audio
    same = [path for path in named.get(audio.name, []) if path.is_file()]
    if len(same) == 1:
        return same[0]
    name = shown_value(audio.name)
    return f"{len(same)} files of the name {name}" if same else f"no {name} in the folder"


def _from_parquet(files: Sequence[Path]) -> _Found:
    items, size = [], 0
    recordings = Recordings(Path(os.path.abspath(files[0].parent)), by_name=False)
    for path in files:
        with _parquet(path) as table:
            names = table.schema_arrow.names
            columns = [name for name in names if name not in _AUDIO]
            if len(columns) == len(names) or not {*_QUESTION} & {*columns}:
                raise UserError(
                    f"{shown(path)}: has not the columns of MMAU ({' or '.join(_AUDIO)},"
                    f" {' or '.join(_QUESTION)}, choices, answer)"
                )
            groups = range(table.metadata.num_row_groups)
            size += sum(table.metadata.row_group(group).total_byte_size for group in groups)
            rows = (row for batch in table.iter_batches(columns=columns) for row in _python(batch))
            items += [(f"{path.name}: row {n}", _item(row)) for n, row in enumerate(rows)]

    def clips() -> Iterator[bytes | str]:
        for path in files:
            with _parquet(path) as table:
                column = next(name for name in _AUDIO if name in table.schema_arrow.names)
                for batch in table.iter_batches(batch_size=_ROWS, columns=[column]):
                    for row in _python(batch):
                        yield _bytes(row[column])

    return _found(tuple(files), _rows(items, recordings), clips, size)


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """A parquet file that is open, to be read in pieces; its faults as `UserError`."""
    try:
        # A buffer, so that the recordings are not all read at once.
        options = {"pre_buffer": False, "buffer_size": 1 << 20}
        with pyarrow.parquet.ParquetFile(path, **options) as table:
            yield table
    except (pyarrow.ArrowException, OSError) as fault:
        raise UserError(f"{shown(path)}: is no whole parquet file; fetch it anew") from fault


def _python(batch: pyarrow.RecordBatch) -> list[dict[str, Any]]:
    try:
        return batch.to_pylist()
    except UnicodeDecodeError as fault:  # what a column of texts holds, parquet does not check
        raise pyarrow.ArrowInvalid(str(fault)) from fault


def _bytes(audio: Any) -> bytes | str:
    """The recording in a row. Its path is another machine's, and is not followed."""
    data = audio.get("bytes") if isinstance(audio, dict) else audio
    return data if isinstance(data, bytes) and data else "no recording in the row"


def _item(row: dict[str, Any]) -> Any:
    """A row of parquet as an item of MMAU's JSON; what is wrong with it, as a `Fault`."""
    try:
        packed = row.pop("other_attributes", None) or {}
        labels = json.loads(packed) if isinstance(packed, str) else packed
        choices = row.get("choices")
        if isinstance(choices, str):
            row["choices"] = json.loads(choices)
    except (ValueError, RecursionError):
        return Fault("field other_attributes or choices: is not valid JSON")
    if not isinstance(labels, dict):
        return Fault(f"field other_attributes: is a JSON {kind(labels)}, not an object")
    question = next(name for name in _QUESTION if name in row)
    # Read only for its form: the recording is in the row.
    item = labels | {"question": row.pop(question), "audio_id": "in-the-row", **row}
    return {name: value for name, value in item.items() if value is not None}


def _rows(
    items: Iterable[tuple[str, Any]], recordings: Recordings
) -> list[tuple[str, str | None, AudioQuestion | Fault]]:
    rows, seen = [], {}
    for place, item in items:
        identity = item.get("id") if isinstance(item, dict) else None
        identity = identity if isinstance(identity, str) else None
        try:
            question = _question(item, recordings)
            if question.id in seen:
                raise Fault(f"field id: already stands in {seen[question.id]}")
        except Fault as fault:
            rows.append((place, identity, fault))
        else:
            seen[question.id] = place
            rows.append((place, question.id, question))
    return rows


def _question(item: Any, recordings: Recordings) -> AudioQuestion:
    if isinstance(item, Fault):
        raise item
    if not isinstance(item, dict):
        raise Fault(f"holds a JSON {kind(item)}, not an object")
    try:  # what could not be written again: a date, NaN, half a surrogate pair
        json.dumps(item, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise Fault("holds something that JSON has not") from None
    choices, answer = unlettered(item.get("choices"), item.get("answer"))
    return mmau_question(item | {"choices": choices, "answer": answer}, recordings)


def _found(files: tuple[Path, ...], rows: Any, clips: Any, size: int) -> _Found:
    questions = [row[2] for row in rows if isinstance(row[2], AudioQuestion)]
    version, exact = _release([row[1] for row in rows], questions)
    return _Found(files, tuple(rows), clips, size, version, exact)


def _release(
    ids: Iterable[str | None], questions: Sequence[AudioQuestion]
) -> tuple[str | None, bool]:
    hashed = _sha256_of(sorted({identity for identity in ids if identity is not None}))
    for version, (of_ids, of_content) in RELEASES.items():
        if hashed == of_ids:
            return version, content_hash(questions) == of_content
    return None, False


def _words(text: str) -> str:
    return " ".join(text.split())


def _sha256_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


# --- writing ------------------------------------------------------------------------------


def _write(found: _Found, origin: dict[str, str], out: Path, name: str) -> Fetched:
    target, source = out / f"{name}.json", out / SOURCE
    _check_out(source, found.version)
    there = sum(p.stat().st_size for p in out.glob("audio/*") if p.is_file())
    check_space(out, max(0, found.size - there))
    questions, left_out, formats = [], [], Counter()
    clips = track(found.clips(), "recordings", len(found.rows))
    for (place, identity, question), data in zip(found.rows, clips, strict=True):
        if isinstance(question, Fault):
            left_out.append(LeftOut(place, identity, "faulty", str(question)))
        elif isinstance(data, str):
            left_out.append(LeftOut(place, identity, "missing", data))
        else:
            # The name is ours: one from the data could lead anywhere, and lies about the format.
            audio = out / "audio" / f"{hashlib.sha256(data).hexdigest()[:24]}{_suffix(data)}"
            reason = _keep(audio, data)
            if reason is not None:
                left_out.append(LeftOut(place, identity, "broken", reason))
                continue
            formats[audio.suffix[1:]] += 1
            questions.append(replace(question, audio=Path(os.path.abspath(audio))))
    if not questions:
        first = f"{left_out[0].kind}, {left_out[0].reason}" if left_out else "it has none"
        raise UserError(
            f"{shown(found.files[0])}: none of its {len(found.rows)} questions can be used;"
            f" the first: {first}"
        )
    write_mmau(target, questions)
    done = Fetched(target, source, found.version, found.exact, len(questions), tuple(left_out))
    write_json(
        source,
        {
            "version": found.version,
            "exact": found.exact,
            "questions": target.name,
            "sha256": sha256_of_file(target),
            "content_sha256": content_hash(questions),
            "n": len(questions),
            "of": len(found.rows),
            "formats": dict(formats.most_common()),
            "origin": origin,
            "files": [{"name": p.name, "sha256": sha256_of_file(p)} for p in found.files],
            **done.counts,
            "left_out": [asdict(each) for each in left_out],
        },
    )
    return done


def _check_out(source: Path, version: str | None) -> None:
    if source.is_file():
        known = read_json(source)
        other = known.get("version") if isinstance(known, dict) else None
        if other != version:
            raise UserError(
                f"{shown(source.parent)}: already holds {shown_value(other)} of MMAU, and this is"
                f" {shown_value(version)}; give --out another folder"
            )


def _keep(audio: Path, data: bytes) -> str | None:
    """Write a recording where it is not there yet; why it cannot be decoded, if it cannot."""
    if not audio.is_file() or audio.read_bytes() != data:
        write_bytes(audio, data)
    try:
        load_audio(audio)
    except UserError as fault:
        audio.unlink(missing_ok=True)
        return str(fault).removeprefix(f"{shown(audio)}: ")
    return None


def _suffix(data: bytes) -> str:
    """By content: 46 recordings of MMAU are MP3 and are named .wav."""
    if data[:3] == b"ID3" or data[:1] == b"\xff" and data[1:2] >= b"\xe0":
        return ".mp3"
    return _STARTS.get(data[:4], ".audio")


def read_source(folder: PathLike) -> dict[str, Any]:
    """``source.json`` of a folder that `fetch_mmau` wrote.

    Raises:
        UserError: it is not there, is no JSON, or does not fit the questions beside it.
    """
    path = Path(folder) / SOURCE
    known = read_json(path)
    name = known.get("questions") if isinstance(known, dict) else None
    if not isinstance(name, str) or PurePath(name).name != name:
        raise UserError(f"{shown(path)}: field questions: names no file beside it; fetch it anew")
    if sha256_of_file(path.with_name(name)) != known.get("sha256"):
        raise UserError(
            f"{shown(path.with_name(name))}: is not as it was fetched (field sha256 of {SOURCE});"
            " fetch it anew"
        )
    return known
