"""Metadata beside a file of predictions: which questions it answers, and how it came about."""

from pathlib import Path
from typing import Any

from r1aqa_helpers.data import QuestionSet
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, shown, write_json


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
    if not path.exists():
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
