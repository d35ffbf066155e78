"""``results.json`` and ``report.html`` of both jobs."""

from collections.abc import Mapping, Sequence
from typing import Any

from r1aqa_helpers.report import Answer, Clip, choose_clips, write_report
from r1aqa_helpers.results import comparison, confusion_rows, load_published, verdicts

from .methods import Measurement, Method
from .run import Run


def table(
    run: Run,
    seed: int,
    measured: Mapping[Method, Measurement],
    pairs: Sequence[tuple[Method, Method]],
) -> dict[str, Any]:
    """What ``results.json`` holds of any run; ``pairs`` are compared by a paired test."""
    return {
        "profile": run.profile.name,
        "seed": seed,
        **run.where,
        "test_set": run.test_set.as_dict(),
        "n": run.test_set.n,
        "rows": [measurement.as_dict() for measurement in measured.values()],
        "comparisons": [
            comparison(measured[a].row, measured[b].row, measured[a].score, measured[b].score)
            for a, b in pairs
        ],
        "verdicts": verdicts(load_published(), [m.row for m in measured.values()], run.test_set),
    }


def report(
    run: Run,
    results: Mapping[str, Any],
    measured: Mapping[Method, Measurement],
    *,
    chosen_by: Method,
    seed: int,
    training: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """Write ``report.html``; its clips are half of those that ``chosen_by`` answered right."""
    said = {
        method.label: ({p.id: p.response for p in m.predictions}, m.score.matches)
        for method, m in measured.items()
    }
    right = {q.id: bool(measured[chosen_by].score.matches[q.id]) for q in run.test}
    clips = [
        Clip(
            question,
            tuple(
                Answer(label, responses.get(question.id, "–"), bool(matches[question.id]))
                for label, (responses, matches) in said.items()
            ),
        )
        for question in choose_clips(run.test, right, seed)
    ]
    score = measured[chosen_by].score
    write_report(
        run.out / "report.html",
        results,
        load_published(),
        test_set=run.test_set,
        training=training,
        clips=clips,
        chosen_by=chosen_by.label,
        groups=score.groups(),
        confused=confusion_rows(score.confusions()),
    )
