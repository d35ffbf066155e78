"""From one JSON value to a question: both forms, field by field."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike
from r1aqa_helpers.utils.untrusted import shown, shown_value

_KINDS = ("missing", "broken", "faulty")


class Fault(Exception):
    """What is wrong with a row and what to do; the reader adds the place.

    ``kind``: ``missing`` (no recording), ``broken`` (it cannot be decoded) or ``faulty`` (the row).
    """

    def __init__(self, reason: str, kind: str = "faulty") -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class LeftOut:
    """A row that became no question."""

    place: str  #: where it stands in its file
    name: str | None  #: of its question or recording, as in the row
    kind: str  #: as in `Fault`
    reason: str


@dataclass(frozen=True)
class Prepared:
    """Questions that were converted or fetched."""

    file: Path  #: the questions
    questions: int
    clips: int  #: distinct recordings that they ask about
    left_out: tuple[LeftOut, ...]
    list_file: Path  #: JSON, or JSON lines, of what was left out
    release: str | None = None  #: of MMAU, where it is a known one
    exact: bool = False  #: whether all texts are those of that release

    @property
    def counts(self) -> dict[str, int]:
        """How many questions were left out as missing, broken and faulty."""
        counted = Counter(each.kind for each in self.left_out)
        return {kind: counted[kind] for kind in _KINDS}


def check_any(source: PathLike, kept: int, left_out: Sequence[LeftOut]) -> None:
    """Raise ``UserError``, with the first reason, where no question of ``source`` was kept."""
    if not kept:
        first = f"; the first: {left_out[0].kind}, {left_out[0].reason}" if left_out else ""
        raise UserError(
            f"{shown(source)}: none of its {len(left_out)} questions can be used{first}"
        )


@dataclass(frozen=True)
class Recordings:
    """Where the recordings of a file of questions are, and whether a bare name finds them."""

    folder: Path
    by_name: bool = False

    def find(self, field: str, text: str) -> Path:
        """The recording that a field's text names, as an absolute path.

        Raises `Fault` for a path that leaves the folder; the user's own symbolic links are
        followed.
        """
        if "\0" in text:
            raise Fault(f"field {field}: {shown_value(text)} holds a NUL; give a path")
        # Normalised before joining, so that no ".." is left for a link to lead elsewhere.
        plain = Path(os.path.normpath(text))
        if plain.parts[:1] == ("..",):
            raise Fault(
                f"field {field}: {shown_value(text)} climbs out of the folder of the recordings;"
                " give a path inside it, or an absolute one"
            )
        audio, top = self.folder / plain, self.folder / plain.name
        if self.by_name and not os.path.exists(audio) and os.path.exists(top):
            return top
        return audio


# --- the two forms ------------------------------------------------------------------------

_Text = Annotated[str, StringConstraints(pattern=r"\S")]  # not blank
#: A text; AVQA's own ids are integers, read as their digits.
Id = Annotated[_Text, BeforeValidator(lambda v: str(v) if type(v) is int else v)]
_Choices = Annotated[list[str], Field(min_length=2)]
_Row = TypeVar("_Row", bound=BaseModel)


class _Labels(BaseModel):
    """What both forms have."""

    model_config = ConfigDict(strict=True, extra="allow")

    id: Id
    task: str = ""
    split: str = ""
    category: Annotated[
        str | list[str], AfterValidator(lambda v: v if isinstance(v, str) else tuple(v))
    ] = ""
    sub_category: str = Field("", alias="sub-category")
    difficulty: str = ""

    def common(self) -> dict[str, Any]:
        names = ("id", "task", "split", "category", "sub_category", "difficulty")
        return {name: getattr(self, name) for name in names} | {"extra": self.model_extra}


class _AvqaLine(_Labels):
    question_text: _Text
    multi_choice: _Choices
    answer: int
    dataset_name: _Text
    audio_path: _Text


class _MmauItem(_Labels):
    task: _Text  # scores are reported by task, so it must be there
    audio_id: _Text
    question: _Text
    choices: _Choices
    answer: str | None = None
    dataset: str = ""


def avqa_question(row: Any, recordings: Recordings) -> AudioQuestion:
    """The question in one of R1-AQA's training lines; raises `Fault` where it is wrong."""
    line = validated(_AvqaLine, row)
    if not 0 <= line.answer < len(line.multi_choice):
        raise Fault(
            f"field answer: {shown_value(line.answer)} is no index into the"
            f" {len(line.multi_choice)} choices; give 0 to {len(line.multi_choice) - 1}"
        )
    return AudioQuestion(
        audio=recordings.find("audio_path", line.audio_path),
        question=line.question_text,
        choices=tuple(line.multi_choice),
        answer=line.multi_choice[line.answer],
        dataset=line.dataset_name,
        **line.common(),
    )


def mmau_question(row: Any, recordings: Recordings) -> AudioQuestion:
    """The question in one item of MMAU's JSON; raises `Fault` where it is wrong."""
    item = validated(_MmauItem, row)
    answer = item.answer if item.answer and item.answer.strip() else None
    if answer is not None and answer not in item.choices:
        raise Fault(
            f"field answer: {shown_value(answer)} is none of the choices; make it equal to one"
        )
    return AudioQuestion(
        audio=recordings.find("audio_id", item.audio_id),
        question=item.question,
        choices=tuple(item.choices),
        answer=answer,
        dataset=item.dataset,
        **item.common(),
    )


def kind(value: Any) -> str:
    """What JSON calls a value of this type."""
    kinds = {dict: "object", list: "list", str: "text", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def validated(model: type[_Row], row: Any) -> _Row:
    """A row of a file as ``model`` has it; raises `Fault` with the first field that is wrong."""
    if not isinstance(row, dict):
        raise Fault(f"holds a JSON {kind(row)}; give one JSON object per question")
    try:
        return model.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    if first["type"] == "missing":
        raise Fault(f"field {name}: is missing; add it")
    wanted = {"string_pattern_mismatch": "give a text that is not blank"}
    advice = wanted.get(first["type"], first["msg"][:1].lower() + first["msg"][1:])
    raise Fault(f"field {name}: is {shown_value(row[name])} (a JSON {kind(row[name])}); {advice}")
