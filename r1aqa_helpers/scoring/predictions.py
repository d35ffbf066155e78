"""A file of predictions: what a system said, and beside it which questions it was asked."""

import os
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import QuestionSet
from r1aqa_helpers.scoring.matching import extract_answer
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, read_json, read_jsonl, write_json
from r1aqa_helpers.utils.untrusted import shown, shown_value


def read_predictions(path: PathLike) -> dict[str, str]:
    """Extracted answers by question id.

    A ``.jsonl`` file has lines ``{"id", "response"}`` whose raw responses go through
    ``extract_answer``. Any other file is MMAU's JSON list; an item's ``model_prediction``, or
    else its ``model_output`` (the name depends on the release of the official script), is
    taken as it stands, and an item with neither has no prediction.

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
    fields = ("response",) if raw else ("model_prediction", "model_output")
    predictions: dict[str, str] = {}
    for place, row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{place}: {shown_value(row)} is not an object; give one per question")
        key, name = row.get("id"), next((name for name in fields if name in row), None)
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise UserError(f'{place}: field "id" is {shown_value(key)}; give the id of a question')
        if name is None and not raw:
            continue
        if not isinstance(said := row.get(name or "response"), str):
            fault = "is missing" if name is None else f"is {shown_value(said)}"
            raise UserError(f'{place}: field "{name or "response"}" {fault}; give a text')
        if str(key) in predictions:
            raise UserError(f"{place}: id {shown_value(str(key))} comes twice; keep one prediction")
        predictions[str(key)] = extract_answer(said) if raw else said
    if not predictions:
        raise UserError(
            f"{shown(path)}: holds no prediction; give model_prediction or model_output in each "
            "item, or name it .jsonl and give id and response in each line"
        )
    return predictions


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
