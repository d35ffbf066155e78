"""A run's table for a model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import QuestionSet, one_set
from r1aqa_helpers.models.card import escape, replace_results, shown_base, table, value
from r1aqa_helpers.reporting.rows import DOMAINS, gain_text, interval, number
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import shown_value

_HEAD = ("method", "prompt", "sound, %", "music, %", "speech, %", "average, %", "95 %", "n")


def add_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Put the table of a run's ``results.json`` into the model card in ``folder``.

    Raises:
        UserError: the folder has no card of this package's, or the results are no run's.
    """
    replace_results(folder, results_markdown(results))


def results_markdown(results: Mapping[str, Any]) -> str:
    """The table of a run's ``results.json``, its comparisons and where it comes from, escaped.

    Raises:
        UserError: the results are no run's, or of different sets of questions.
    """
    try:
        rows = [_row(row) for row in results["rows"]]
        tests = [_comparison(test) for test in results.get("comparisons", ())]
        test_set = _test_set(results)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"results: are not those of r1aqa reproduce ({shown_value(error)}); give its "
            "results.json"
        ) from error
    known = ("profile", "seed", "hardware", "endpoint", "versions")
    facts = {name: results[name] for name in known if results.get(name) is not None}
    if isinstance(results.get("model"), str):
        facts = {"base model": shown_base(results["model"]), **facts}
    origin = ", ".join(f"{name} {value(_one_line(fact))}" for name, fact in facts.items())
    return "\n\n".join(
        [
            f"Measured by `r1aqa reproduce`: {origin}.",
            table(_HEAD, rows, figures=6),
            *([] if test_set is None else [f"Questions: {escape(test_set.text)}."]),
            *(["\n".join(tests)] if tests else []),
            "The interval is Wilson's, of the average.",
        ]
    )


def _test_set(results: Mapping[str, Any]) -> QuestionSet | None:
    """What all rows were measured on; None where an older run does not say."""
    if results.get("test_set") is None:
        return None
    found = QuestionSet.from_dict(results["test_set"])
    rows = ((f"row {n}", row.get("test_sha256")) for n, row in enumerate(results["rows"], 1))
    one_set([("test_set", found.sha256), *rows])
    return found


def _one_line(fact: object) -> object:
    """A mapping of facts in one line."""
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} {part}" for name, part in fact.items())
    return fact


def _row(row: Mapping[str, Any]) -> list[str]:
    domains = [None if row.get(name) is None else float(row[name]) for name in DOMAINS]
    return [
        value(row["method"]),
        f"&lt;{int(row['prompt'])}&gt;",
        *(number(figure, 1) for figure in domains),
        f"**{number(float(row['average']), 1)}**",
        interval([*map(float, row["ci95"])]),
        str(int(row["n"])),
    ]


def _comparison(test: Mapping[str, Any]) -> str:
    names = [
        escape(test[side])
        + (f" &lt;{int(test[f'{side}_prompt'])}&gt;" if f"{side}_prompt" in test else "")
        for side in ("a", "b")
    ]
    gain = gain_text(float(test["difference"]), float(test["mcnemar_p"]))
    return f"- {names[0]} against {names[1]}: {gain}"
