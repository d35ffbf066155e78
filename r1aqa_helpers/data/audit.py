"""What a file of questions says about itself, before any model is asked.

Counts, where the gold answer stands, what can be scored without hearing, what is there twice,
and what changed between two files. Only texts are read, no recording is opened.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.data.question import AudioQuestion, words
from r1aqa_helpers.data.read import read_questions
from r1aqa_helpers.utils.io import PathLike, file_hash
from r1aqa_helpers.utils.untrusted import shown


def audit_file(path: PathLike, against: PathLike | None = None) -> dict[str, Any]:
    """`audit` of a file, with its name and SHA-256.

    With ``against`` also, under that key, `compare` with the other file and its `audit`.

    Raises:
        UserError: as `read_questions`, for either file.
    """
    questions = read_questions(path)
    report = _file(path) | audit(questions)
    if against is not None:
        others = read_questions(against)
        found = compare(questions, others)
        report["against"] = _file(against) | found | {"audit": audit(others)}
    return report


def _file(path: PathLike) -> dict[str, str]:
    return {"file": Path(path).name, "sha256": file_hash(path)}


def audit(questions: Sequence[AudioQuestion]) -> dict[str, Any]:
    """The audit as a JSON value.

    Shares are in percent, with one decimal, of the questions that have a gold answer; ``all``
    stands beside one entry per task. ``labelled`` questions have a gold answer. Its place counts
    from 1. ``best_constant`` and ``longest_choice`` say what a system scores that always names
    the same place, or the longest choice (ties broken at random). ``repeated_texts`` are
    questions whose text, choices and answer an earlier one has. MMAU's match, which compares
    words, finds no answer correct for ``never_correct`` questions, such as one about "?", and for
    ``same_words`` a wrong choice as well, such as "C" for "C#".
    """
    groups: dict[str, list[AudioQuestion]] = {"all": []}
    for question in questions:
        if question.answer in question.choices:
            for name in filter(None, ("all", question.task)):
                groups.setdefault(name, []).append(question)
    places = {
        name: Counter(1 + q.choices.index(q.answer) for q in group)
        for name, group in groups.items()
    }
    best = {
        name: max(sorted(counts), key=counts.__getitem__)
        for name, counts in places.items()
        if counts
    }

    def shares(credit: Callable[[AudioQuestion], float]) -> dict[str, float]:
        return {
            name: round(100 * sum(map(credit, group)) / len(group), 1)
            for name, group in groups.items()
            if group
        }

    return {
        "n": len(questions),
        "labelled": len(groups["all"]),
        "task": _counts(q.task for q in questions),
        "category": _counts(
            q.category if isinstance(q.category, str) else ", ".join(q.category) for q in questions
        ),
        "sub-category": _counts(q.sub_category for q in questions),
        "difficulty": _counts(q.difficulty for q in questions),
        "dataset": _counts(q.dataset for q in questions),
        "choices_per_item": _counts(str(len(q.choices)) for q in questions),
        "chance": shares(lambda q: 1 / len(q.choices)),
        "gold_position": {
            name: {str(place): counts[place] for place in sorted(counts)}
            for name, counts in places.items()
        },
        "gold_first": shares(lambda q: q.answer == q.choices[0]),
        "best_constant": {
            name: {
                "place": place,
                "accuracy": round(100 * places[name][place] / len(groups[name]), 1),
            }
            for name, place in best.items()
        },
        "longest_choice": shares(_longest_is_gold),
        "list_category": sum(isinstance(q.category, tuple) for q in questions),
        "never_correct": sum(not words(q.answer or "") for q in groups["all"]),
        "same_words": sum(map(_same_words, groups["all"])),
        "duplicated_choices": sum(len(set(q.choices)) < len(q.choices) for q in questions),
        "repeated_texts": len(questions) - len({_text_key(q) for q in questions}),
        "repeated_recordings": len(questions) - len({q.audio for q in questions}),
    }


def compare(questions: Sequence[AudioQuestion], others: Sequence[AudioQuestion]) -> dict[str, int]:
    """What two files have in common: two releases of one test, or training and test.

    ``shared`` ids, and how many of them ``differ``; ``same_text`` and ``same_recording`` count
    questions of the first file that the other one has too, whatever their ids: by text, choices
    and answer, or by the file name of the recording.
    """
    here, there = ({q.id: q for q in each} for each in (questions, others))
    shared = here.keys() & there.keys()
    changed = {
        name: {i for i in shared if getattr(here[i], name) != getattr(there[i], name)}
        for name in ("question", "choices", "answer")
    }
    texts, names = set(map(_text_key, others)), {q.audio.name for q in others}
    return {
        "n": len(others),
        "shared": len(shared),
        "differ": len(set().union(*changed.values())),
        **{name: len(ids) for name, ids in changed.items()},
        "only_here": len(here) - len(shared),
        "only_there": len(there) - len(shared),
        "same_text": sum(_text_key(q) in texts for q in questions),
        "same_recording": sum(q.audio.name in names for q in questions),
    }


def audit_text(report: dict[str, Any]) -> str:
    """The report of `audit` or `audit_file` as lines for a terminal."""
    lines = []
    if "file" in report:
        lines.append(f"{shown(report['file'])}  (SHA-256 {report['sha256'][:12]}…)")
    lines.append(f"{report['n']} questions, {report['labelled']} with a gold answer")
    for name in ("task", "category", "sub-category", "difficulty", "dataset", "choices_per_item"):
        counts = ", ".join(f"{shown(key)} {n}" for key, n in report[name].items())
        lines.append(f"{name.replace('_', ' ')}: {counts or 'none given'}")
    if report["labelled"]:
        lines += ["", *_table(report)]
    lines += [
        "",
        f"category is a list: {report['list_category']}",
        f"a choice stands twice: {report['duplicated_choices']}",
        f"the correct choice has no words, so that no answer is ever correct:"
        f" {report['never_correct']}",
        f"a wrong choice has the words of the correct one and counts as correct, too:"
        f" {report['same_words']}",
        f"text, choices and answer of an earlier question: {report['repeated_texts']}",
        f"recording of an earlier question: {report['repeated_recordings']}",
    ]
    if against := report.get("against"):
        lines += [
            "",
            f"against {shown(against['file'])}, {against['n']} questions:",
            f"shared ids: {against['shared']}, of which {against['differ']} differ"
            f" (question {against['question']}, choices {against['choices']},"
            f" answer {against['answer']})",
            f"ids only here: {against['only_here']}, only there: {against['only_there']}",
            f"same text, choices and answer: {against['same_text']};"
            f" recording of the same name: {against['same_recording']}",
        ]
    return "\n".join(lines)


def _counts(names: Iterable[str]) -> dict[str, int]:
    """How often each name comes, the most frequent first; blank ones are left out."""
    counts = Counter(name for name in names if name)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _longest_is_gold(question: AudioQuestion) -> float:
    longest = max(map(len, question.choices))
    ties = [choice for choice in question.choices if len(choice) == longest]
    return sum(choice == question.answer for choice in ties) / len(ties)


def _same_words(question: AudioQuestion) -> bool:
    gold, wrong = words(question.answer or ""), set(question.choices) - {question.answer}
    return bool(gold) and any(words(choice) == gold for choice in wrong)


def _text_key(question: AudioQuestion) -> tuple[str, tuple[str, ...], str | None]:
    return question.question, tuple(sorted(question.choices)), question.answer


def _table(report: dict[str, Any]) -> list[str]:
    places = sorted(map(int, report["gold_position"]["all"]))
    head = ["percent", "n", *(f"gold {place}" for place in places), "chance", "longest"]
    rows = [[*head, "best constant"]]
    for name, counts in report["gold_position"].items():
        n, best = sum(counts.values()), report["best_constant"][name]
        rows.append(
            [shown(name), str(n)]
            + [f"{100 * counts.get(str(place), 0) / n:.1f}" for place in places]
            + [f"{report[key][name]:.1f}" for key in ("chance", "longest_choice")]
            + [f"place {best['place']}: {best['accuracy']:.1f}"]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
