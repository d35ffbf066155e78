"""A whole cascade over a set of questions, into one folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.answering import Prediction, write_predictions
from r1aqa_helpers.files import write_json
from r1aqa_helpers.provenance import provenance
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import Score, bootstrap_difference, mcnemar, score

from .captions import WEAK_WORDS, weakened, write_captions

#: How much of a caption the text model is given.
STRENGTHS = {
    "strong": "the whole caption",
    "weak": f"the first {WEAK_WORDS} words of the caption",
}
#: Captions that are kept in ``cascade.json`` to be looked at.
EXAMPLES = 6

#: Called with the questions, and by name with ``captions`` by id and ``journal``.
Answering = Callable[..., list[Prediction]]


def run_cascade(
    questions: Sequence[AudioQuestion],
    captions: Mapping[str, str],
    answer: Answering,
    out: Path,
    facts: Mapping[str, Any],
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Answer from strong and from weak captions; written to ``out/cascade.json``.

    Beside it ``captions.jsonl`` holds every caption, and ``strong.json`` and ``weak.json`` the
    predictions. Interrupted, the same call goes on from the journals of ``answer``.

    Args:
        questions: with gold answers.
        captions: the whole ones, by question id.
        answer: the text model.
        facts: JSON values that the file shall keep, such as the models' names.

    Raises:
        UserError: as ``answer`` and ``scoring.score``.
    """
    held = {
        "strong": dict(captions),
        "weak": {id: weakened(caption) for id, caption in captions.items()},
    }
    write_captions(out / "captions.jsonl", questions, held)
    say(f"captions: {out / 'captions.jsonl'}")
    scores: dict[str, Score] = {}
    rows = []
    for strength, about in STRENGTHS.items():
        said = answer(questions, captions=held[strength], journal=out / f"{strength}.journal.jsonl")
        write_predictions(out / f"{strength}.json", questions, said)
        scores[strength] = score(questions, {one.id: one.answer for one in said})
        seconds = sum(one.seconds for one in said)
        rows.append(_row(strength, about, scores[strength], seconds))
    test = mcnemar(scores["strong"].matches, scores["weak"].matches)
    interval = bootstrap_difference(scores["strong"].matches, scores["weak"].matches)
    spread = questions[:: max(1, len(questions) // EXAMPLES)][:EXAMPLES]
    result = {
        **facts,
        "n": len(questions),
        "rows": rows,
        "strong_against_weak": {
            "difference": test.difference,
            "difference_ci95": list(interval),
            "mcnemar_p": test.p,
        },
        "examples": [
            {"id": q.id, "strong": held["strong"][q.id], "weak": held["weak"][q.id]} for q in spread
        ],
        "provenance": provenance(),
    }
    write_json(out / "cascade.json", result)
    return result


def _row(strength: str, about: str, result: Score, seconds: float) -> dict[str, Any]:
    return {
        "name": f"cascade-{strength}",
        "about": about,
        **result.overall.as_dict(),
        "tasks": {name: part.as_dict() for name, part in result.tasks.items()},
        "strict": result.strict.as_dict(),
        "missing": result.missing,
        "unparsed": result.unparsed,
        "seconds": round(seconds, 1),
    }


def cascade_lines(result: Mapping[str, Any]) -> list[str]:
    """What `run_cascade` found, in lines for a terminal."""
    lines = []
    for row in result["rows"]:
        low, high = row["ci95"]
        tasks = ", ".join(f"{name} {part['accuracy']:.1f}" for name, part in row["tasks"].items())
        lines.append(
            f"{row['name']}: {row['accuracy']:.1f} % ({low:.1f}–{high:.1f}, n {row['n']}),"
            f" {tasks}; {row['unparsed']} answers name no choice; {row['about']}"
        )
    test = result["strong_against_weak"]
    low, high = test["difference_ci95"]
    lines.append(
        f"strong against weak: {test['difference']:+.1f} points ({low:+.1f} to {high:+.1f},"
        f" McNemar's exact p = {test['mcnemar_p']:.2g})"
    )
    lines.append("captions, strong | weak:")
    for example in result["examples"]:
        told = f"{example['strong']!r} | {example['weak']!r}"
        lines.append(f"  {example['id']}: {told}")
    return lines
