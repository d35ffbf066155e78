"""A file of predictions: what a system said, and beside it which questions it was asked."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from r1aqa_helpers.data import QuestionSet
from r1aqa_helpers.data.parse import Fault, Id, validated
from r1aqa_helpers.scoring.matching import answers_while_thinking, extract_answer
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, read_json, read_jsonl, write_json
from r1aqa_helpers.utils.untrusted import shown, shown_value


class _Line(BaseModel):
    """A raw response."""

    id: Id
    response: str

    @property
    def answer(self) -> str:
        return extract_answer(self.response)


class _Item(BaseModel):
    """An item of MMAU's JSON; the name of the prediction depends on the official script's release.

    ``response`` is what `evaluate` keeps beside it.
    """

    id: Id
    model_prediction: str | None = None
    model_output: str | None = None
    response: Any = None

    @property
    def answer(self) -> str | None:
        return self.model_output if self.model_prediction is None else self.model_prediction


def read_predictions(path: PathLike) -> dict[str, str]:
    """Extracted answers by question id.

    A ``.jsonl`` file has lines ``{"id", "response"}`` whose raw responses go through
    ``extract_answer``. Any other file is MMAU's JSON list; an item's ``model_prediction``, or
    else its ``model_output``, is taken as it stands, and an item with neither has no prediction.
    Warns of answers that stand inside the thinking.

    Raises:
        UserError: with line, or item (from 0): a row or field of a wrong type, a line without
            response, an id that comes twice; a file that cannot be read or has no prediction.
    """
    if raw := Path(path).suffix.lower() == ".jsonl":
        rows = [(f"{shown(path)}:{number}", row) for number, row in read_jsonl(path)]
    else:
        items = read_json(path)
        if not isinstance(items, list):
            raise UserError(f"{shown(path)}: not a list; give MMAU's JSON with predictions")
        rows = [(f"{shown(path)}: item {number}", item) for number, item in enumerate(items)]
    predictions: dict[str, str] = {}
    responses = []
    for place, row in rows:
        try:
            said = validated(_Line, row) if raw else validated(_Item, row)
        except Fault as fault:
            raise UserError(f"{place}: {fault}") from None
        if said.answer is None:
            continue
        if said.id in predictions:
            raise UserError(f"{place}: id {shown_value(said.id)} comes twice; keep one prediction")
        predictions[said.id] = said.answer
        responses.append(said.response)
    if not predictions:
        raise UserError(
            f"{shown(path)}: holds no prediction; give model_prediction or model_output in each "
            "item, or name it .jsonl and give id and response in each line"
        )
    warn_of_thinking(responses)
    return predictions


def warn_of_thinking(responses: Sequence[Any]) -> None:
    """Warn where the answer that counts stands inside the thinking; what is no text, does not."""
    early = sum(isinstance(one, str) and answers_while_thinking(one) for one in responses)
    if early:
        warnings.warn(
            f"{early} of {len(responses)} responses have <answer> inside the thinking; the first"
            " pair counts, as in R1-AQA",
            stacklevel=3,
        )


def metadata_file(predictions: Path) -> Path:
    """The file beside the predictions that tells about them."""
    return predictions.with_name(predictions.name + ".about.json")


def write_metadata(predictions: Path, test_set: QuestionSet, **facts: Any) -> None:
    """Write it: the set of questions, and ``facts`` (JSON values), such as model and prompt."""
    write_json(metadata_file(predictions), {"test_set": test_set.as_dict(), **facts})


def check_predictions(predictions: Path, test_set: QuestionSet) -> None:
    """Raise ``UserError`` where the predictions are known to answer other questions.

    The answers do not count, so that questions may be labelled after they were asked. A file
    without metadata, made elsewhere, is taken on trust.
    """
    path = metadata_file(predictions)
    if not os.path.lexists(path):
        return
    stored = read_json(path)
    try:
        answered = QuestionSet.from_dict(stored.get("test_set"))
    except (AttributeError, UserError):
        raise UserError(f"{shown(path)}: is damaged; remove it, or evaluate again") from None
    if answered.asked_sha256 != test_set.asked_sha256:
        raise UserError(
            f"{shown(predictions)}: answers other questions ({answered.text}) than those given"
            f" ({test_set.text}); score it with the questions that were asked"
        )
