"""Which release of MMAU test-mini a set of questions is, by its ids and its content."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..question import AudioQuestion

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
    rows = (
        [q.id, *map(_words, (q.question, *q.choices)), _words(q.answer or "")] for q in questions
    )
    return _sha256_of(sorted(rows))


def release_of(questions: Sequence[AudioQuestion]) -> tuple[str | None, bool]:
    """The release that has just these ids, and whether the content is its too."""
    return release_by_ids([q.id for q in questions], questions)


def release_by_ids(
    ids: Iterable[str | None], questions: Sequence[AudioQuestion]
) -> tuple[str | None, bool]:
    """As `release_of`, where not all that have an id have become questions."""
    hashed = _sha256_of(sorted({identity for identity in ids if identity is not None}))
    for version, (of_ids, of_content) in RELEASES.items():
        if hashed == of_ids:
            return version, content_hash(questions) == of_content
    return None, False


def _words(text: str) -> str:
    return " ".join(text.split())


def _sha256_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
