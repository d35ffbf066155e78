"""A run's table for a model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import QuestionSet, one_set
from r1aqa_helpers.models.card import replace_results, shown_base, table, value
from r1aqa_helpers.reporting.rows import label, read_comparisons, read_row
from r1aqa_helpers.scoring.text import gain_text
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import markdown, shown_value

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
        rows = [read_row(Path("results.json"), row) for row in results["rows"]]
        compared = read_comparisons(Path("results.json"), results.get("comparisons", []))
    except (AttributeError, KeyError, TypeError, UserError) as error:
        raise UserError(
            f"results: are not those of r1aqa reproduce ({shown_value(error)}); give its "
            "results.json"
        ) from error
    questions = []
    if results.get("test_set") is not None:  # older runs do not say
        found = QuestionSet.from_dict(results["test_set"])
        one_set([("test_set", found.sha256), *((row.label, row.test_sha256) for row in rows)])
        questions = [f"Questions: {markdown(found.text)}."]
    tests = []
    for test in compared:
        a, b = (markdown(label(test[side], test[f"{side}_prompt"])) for side in "ab")
        tests.append(f"- {a} against {b}: {gain_text(test['difference'], test['mcnemar_p'])}")
    cells = []
    for row in rows:
        *domains, average = row.cells(1)
        prompt = f"&lt;{row.prompt}&gt;"
        cells.append([value(row.method), prompt, *domains, f"**{average}**", row.interval])
        cells[-1].append(str(row.n))
    known = ("profile", "seed", "hardware", "endpoint", "versions")
    facts = {name: results[name] for name in known if results.get(name) is not None}
    if isinstance(results.get("model"), str):
        facts = {"base model": shown_base(results["model"]), **facts}
    if isinstance(parts := facts.get("versions"), Mapping):
        facts["versions"] = ", ".join(f"{name} {part}" for name, part in parts.items())
    origin = ", ".join(f"{name} {value(fact)}" for name, fact in facts.items())
    return "\n\n".join(
        [
            f"Measured by `r1aqa reproduce`: {origin}.",
            table(_HEAD, cells, figures=6),
            *questions,
            *(["\n".join(tests)] if tests else []),
            "The interval is Wilson's, of the average.",
        ]
    )
