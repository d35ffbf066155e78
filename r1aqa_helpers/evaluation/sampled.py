"""Direct inference with sampling, from several seeds: its mean and standard deviation.

Greedy decoding shows one answer of the many that a model holds likely. What a published figure
was decoded with is seldom said, and Qwen2-Audio's own settings sample.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import AudioQuestion, QuestionSet
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.scoring import Score, score
from r1aqa_helpers.scoring.seeds import crossed, table
from r1aqa_helpers.scoring.text import accuracy_text, interval_text
from r1aqa_helpers.utils.io import write_json
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.provenance import provenance
from r1aqa_helpers.utils.untrusted import shown


def sampled(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    out: Path,
    prompts: Sequence[int],
    seeds: Sequence[int],
    sampling: Mapping[str, float],
    test_set: QuestionSet,
    say: Callable[[str], None] = print,
    **options: Any,
) -> dict[str, Any]:
    """Ask with each prompt from each seed; the scores are written to the file ``out``.

    Interrupted, the same call resumes from its logs beside ``out``.

    Args:
        questions: with gold answers; ``test_set`` says which they are.
        sampling: for `models.sampling_config`; empty: temperature 1, the whole distribution.
        options: for `local.answer_questions`: batch_size, batch_tokens, max_new_tokens.

    Raises:
        UserError: as `local.answer_questions` and `scoring.score`.
    """
    score(questions, {})  # finds a question without a gold answer before the work
    rows = []
    for prompt in prompts:
        scores = {}
        agreed: dict[str, set[str]] = {question.id: set() for question in questions}
        for seed in seeds:
            say(f"prompt <{prompt}>, seed {seed}")
            said = answer_questions(
                loaded,
                questions,
                prompt=prompt,
                sample=True,
                seed=seed,
                sampling=sampling,
                log=out.with_name(f"{out.name}.prompt-{prompt}-seed-{seed}.log.jsonl"),
                **options,
            )
            scores[seed] = score(questions, {one.id: one.answer for one in said})
            for one in said:
                agreed[one.id].add(one.answer)
        same = 100 * sum(len(answers) == 1 for answers in agreed.values()) / len(questions)
        rows.append(_row(prompt, scores, same))
    result = {
        "model": place(loaded.name),
        "n": len(questions),
        "seeds": list(seeds),
        "sampling": {"temperature": 1.0, **sampling},
        "test_set": test_set.as_dict(),
        "rows": rows,
        "provenance": provenance(),
    }
    write_json(out, result)
    return result


def _row(prompt: int, scores: Mapping[int, Score], same: float) -> dict[str, Any]:
    """One prompt: the mean over seeds, its interval and deviation, and each seed by itself."""
    found = list(scores.values())
    accuracies = [one.average for one in found]
    matches = {
        seed: "".join(str(match) for match in one.matches.values()) for seed, one in scores.items()
    }
    return {
        "prompt": prompt,
        "mean": statistics.fmean(accuracies),
        "ci95": list(crossed(table(matches, list(matches))).ci95),
        "deviation": statistics.stdev(accuracies) if len(found) > 1 else None,
        "least": min(accuracies),
        "most": max(accuracies),
        "same_answer": same,
        "tasks": {
            name: statistics.fmean(one.tasks[name].percent for one in found)
            for name in found[0].tasks
        },
        "seeds": [
            {"seed": seed, **one.row_dict(), "missing": one.missing} for seed, one in scores.items()
        ],
    }


def sampled_lines(result: Mapping[str, Any]) -> list[str]:
    """The result of `sampled` in lines for a terminal."""
    lines = [", ".join(f"{name} {value:g}" for name, value in result["sampling"].items())]
    for row in result["rows"]:
        deviation = ""
        if row["deviation"] is not None:
            deviation = f", standard deviation over seeds {row['deviation']:.1f}"
        tasks = ", ".join(f"{shown(name)} {value:.1f}" for name, value in row["tasks"].items())
        lines.append(
            f"prompt <{row['prompt']}>: mean {row['mean']:.1f} % ({interval_text(row['ci95'])},"
            f" n {result['n']}, {len(row['seeds'])} seeds){deviation}; {tasks}"
        )
        lines += [
            f"  seed {one['seed']}: {accuracy_text(one)}, {one['unparsed']} answers name no choice"
            for one in row["seeds"]
        ]
        lines.append(f"  the same answer from every seed: {row['same_answer']:.1f} % of questions")
    return lines
