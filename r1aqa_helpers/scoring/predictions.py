"""Reading what a system said from a file of predictions."""

from collections.abc import Sequence
from pathlib import Path

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import PathLike, read_json, read_jsonl, shown, shown_value

from .matching import extract_answer


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
    predictions: dict[str, str] = {}
    if Path(path).suffix.lower() == ".jsonl":
        for number, row in read_jsonl(path):
            place = f"{shown(path)}:{number}"
            key, response = _prediction(place, row, ("response",))
            if response is None:
                raise UserError(f'{place}: field "response" is missing; give the raw response')
            _add(predictions, place, key, extract_answer(response))
    else:
        rows = read_json(path)
        if not isinstance(rows, list):
            raise UserError(f"{shown(path)}: not a list; give MMAU's JSON with predictions")
        for number, row in enumerate(rows):
            place = f"{shown(path)}: item {number}"
            key, answer = _prediction(place, row, ("model_prediction", "model_output"))
            if answer is not None:
                _add(predictions, place, key, answer)
    if not predictions:
        raise UserError(
            f"{shown(path)}: holds no prediction; give model_prediction or model_output in each "
            "item, or name it .jsonl and give id and response in each line"
        )
    return predictions


def _prediction(place: str, row: object, fields: Sequence[str]) -> tuple[str, str | None]:
    """A row's id and the first of ``fields`` that it has; None where it has none of them."""
    if not isinstance(row, dict):
        raise UserError(f"{place}: {shown_value(row)} is not an object; give one per question")
    key = row.get("id")
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise UserError(f'{place}: field "id" is {shown_value(key)}; give the id of a question')
    name = next((name for name in fields if name in row), None)
    if name is not None and not isinstance(row[name], str):
        raise UserError(f'{place}: field "{name}" is {shown_value(row[name])}; give a text')
    return str(key), None if name is None else row[name]


def _add(predictions: dict[str, str], place: str, key: str, answer: str) -> None:
    if key in predictions:
        raise UserError(f"{place}: id {shown_value(key)} comes twice; keep one prediction of it")
    predictions[key] = answer
