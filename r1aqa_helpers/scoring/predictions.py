"""Reading what a system said from a file of predictions."""

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
        if not isinstance(row, dict):
            raise UserError(f"{place}: {shown_value(row)} is not an object; give one per question")
        key, name = row.get("id"), next((name for name in fields if name in row), None)
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise UserError(f'{place}: field "id" is {shown_value(key)}; give the id of a question')
        if name is None and not raw:
            continue
        if name is None or not isinstance(row[name], str):
            fault = "is missing" if name is None else f"is {shown_value(row[name])}"
            raise UserError(f'{place}: field "{name or fields[0]}" {fault}; give a text')
        if str(key) in predictions:
            raise UserError(f"{place}: id {shown_value(str(key))} comes twice; keep one prediction")
        predictions[str(key)] = extract_answer(row[name]) if raw else row[name]
    if not predictions:
        raise UserError(
            f"{shown(path)}: holds no prediction; give model_prediction or model_output in each "
            "item, or name it .jsonl and give id and response in each line"
        )
    return predictions
