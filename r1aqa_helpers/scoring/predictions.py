"""Reading what a system said from a file of predictions."""

from collections.abc import Sequence
from pathlib import Path

from r1aqa_helpers.scoring.matching import extract_answer
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, read_json, read_jsonl, shown, shown_value


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
        fields = ("response",)
    else:
        items = read_json(path)
        if not isinstance(items, list):
            raise UserError(f"{shown(path)}: not a list; give MMAU's JSON with predictions")
        rows = [(f"{shown(path)}: item {number}", item) for number, item in enumerate(items)]
        fields = ("model_prediction", "model_output")
    predictions: dict[str, str] = {}
    for place, row in rows:
        key, said = _prediction(place, row, fields)
        if said is None:
            if raw:
                raise UserError(f'{place}: field "response" is missing; give the raw response')
        elif key in predictions:
            raise UserError(f"{place}: id {shown_value(key)} comes twice; keep one prediction")
        else:
            predictions[key] = extract_answer(said) if raw else said
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
