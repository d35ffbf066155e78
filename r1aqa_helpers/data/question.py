"""One audio question in memory, whatever format it had on disk."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_WORD = re.compile(r"\b\w+\b")


def words(text: str) -> frozenset[str]:
    """The words of a text as MMAU's script compares them: in lower case, without their order."""
    return frozenset(_WORD.findall(text.lower()))


@dataclass(frozen=True)
class AudioQuestion:
    """A multiple-choice question about one recording.

    Attributes:
        id: unique within its file.
        audio: absolute path of the recording.
        question: the question as written in the file.
        choices: two or more; MMAU's own files repeat some.
        answer: the *text* of the correct choice; None where the labels are hidden.
        task: ``sound``, ``music`` or ``speech``; empty where the file has none.
        category: as in MMAU; 13 questions of its test-mini have a list, read as a tuple.
        extra: fields of the file that have no attribute, as JSON values.
    """

    id: str
    audio: Path
    question: str
    choices: tuple[str, ...]
    answer: str | None
    task: str = ""
    category: str | tuple[str, ...] = ""
    sub_category: str = ""
    difficulty: str = ""
    dataset: str = ""
    split: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
