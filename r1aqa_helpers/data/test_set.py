"""Which set of questions a result was measured on: name, release, hash.

Accuracies on two sets are not comparable, so every result carries its set, and code that compares
results calls `one_set` first.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from r1aqa_helpers.data.mmau.releases import RELEASES, content_hash, read_source, release_of
from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike
from r1aqa_helpers.utils.untrusted import shown, shown_value

_DIGITS = 12  # of a hash, where people read it
_Hash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class QuestionSet:
    """A set of questions, by what is in it.

    Attributes:
        name: of the release, ``mmau-test-mini-v1``; else the name of the file, without suffix.
        release: of MMAU test-mini, where it is one or (as fetched) a part of one.
        whole: whether it is all of the release, with its very texts.
        n: how many questions.
        sha256: of ids, questions, choices and answers (`content_hash`).
        asked_sha256: the same without the answers, which a model does not see.
    """

    name: str
    release: str | None
    whole: bool
    n: Annotated[int, Field(ge=0, strict=True)]
    sha256: _Hash
    asked_sha256: _Hash

    @property
    def text(self) -> str:
        """The set in words, for the line under a table."""
        what = f"MMAU test-mini {self.release}" + ("" if self.whole else " in part or changed")
        what = what if self.release else "no known release of MMAU"
        questions = f"{self.n:,} question{'s' * (self.n != 1)}"
        return f"{shown(self.name)}: {questions}, {what}, sha256 {self.sha256[:_DIGITS]}"

    def as_dict(self) -> dict[str, Any]:
        """The set as JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Any) -> "QuestionSet":
        """What `as_dict` gave. Raises ``UserError`` for anything else."""
        try:
            return TypeAdapter(cls).validate_python(stored)
        except ValidationError:
            raise UserError(
                f"test_set: {shown_value(stored)} is no set of questions; measure again to get one"
            ) from None


def identify(questions: Sequence[AudioQuestion], path: PathLike) -> QuestionSet:
    """Which set ``questions``, read from ``path``, are.

    Content decides. Only for a part of a release, of which `fetch_mmau` left out questions, does
    ``source.json`` beside the file say of which; one that does not fit the file says nothing.
    """
    release, whole = release_of(questions)
    if release is None:
        with contextlib.suppress(UserError):
            source = read_source(Path(path).parent)
            if source["questions"] == Path(path).name:
                release = next((r for r in RELEASES if r == source.get("version")), None)
    return QuestionSet(
        name=f"mmau-test-mini-{release}" if release else Path(path).stem,
        release=release,
        whole=whole,
        n=len(questions),
        sha256=content_hash(questions),
        asked_sha256=content_hash(replace(q, answer=None) for q in questions),
    )


def one_set(rows: Iterable[tuple[str, str | None]]) -> None:
    """Raise ``UserError`` unless all rows, a label and a set's ``sha256`` each, are of one set.

    A row from before sets were kept has None, and is taken on trust.
    """
    known = [(label, sha) for label, sha in rows if sha is not None]
    for label, sha in known[1:]:
        if sha != known[0][1]:
            raise UserError(
                f"{shown_value(known[0][0])} and {shown_value(label)}: were measured on different"
                f" questions (sha256 {shown(str(known[0][1])[:_DIGITS])} and"
                f" {shown(str(sha)[:_DIGITS])}); measure both on the same"
            )
