"""Which release of MMAU test-mini a set of questions is, by its ids and its content."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, file_hash, read_json
from r1aqa_helpers.utils.untrusted import shown

SOURCE = "source.json"  #: what is known about the questions that were fetched, beside them

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


def content_hash(questions: Iterable[AudioQuestion]) -> str:
    """SHA-256 of ids, questions, choices and answers: what decides which test it is.

    Order, labels, recordings and white space around and between words do not count.
    """
    rows = ([q.id, q.question, *q.choices, q.answer or ""] for q in questions)
    return _sha256(sorted([identity, *map(_words, texts)] for identity, *texts in rows))


def release_of(
    questions: Sequence[AudioQuestion], ids: Iterable[str] | None = None
) -> tuple[str | None, bool]:
    """The release that has just these ids, and whether the content is its too.

    ``ids``: of all rows, where not all of them have become questions.
    """
    hashed = _sha256(sorted(set([q.id for q in questions] if ids is None else ids)))
    version = next((version for version, hashes in RELEASES.items() if hashes[0] == hashed), None)
    return version, version is not None and content_hash(questions) == RELEASES[version][1]


def read_source(folder: PathLike) -> dict[str, Any]:
    """``source.json`` of a folder that `fetch_mmau` wrote.

    Raises:
        UserError: it is not there, is no JSON, or does not fit the questions beside it.
    """
    path = Path(folder) / SOURCE
    known = read_json(path)
    name = known.get("questions") if isinstance(known, dict) else None
    if not isinstance(name, str) or not name or PurePath(name).name != name:
        raise UserError(f"{shown(path)}: field questions: names no file beside it; fetch it again")
    if file_hash(path.with_name(name)) != known.get("sha256"):
        raise UserError(
            f"{shown(path.with_name(name))}: is not as it was fetched (field sha256 of {SOURCE});"
            " fetch it again"
        )
    return known


def _words(text: str) -> str:
    return " ".join(text.split())


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
