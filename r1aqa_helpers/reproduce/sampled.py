"""Direct inference that is drawn, from several seeds: its mean, and how far draws lie apart.

Greedy decoding shows one answer of the many that a model holds likely. What a published figure
was decoded with is seldom said, and Qwen2-Audio's own settings sample.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.answering import answer_questions
from r1aqa_helpers.experiment.bootstrap import interval
from r1aqa_helpers.files import write_json
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.paths import place
from r1aqa_helpers.profiles import Profile
from r1aqa_helpers.provenance import provenance
from r1aqa_helpers.questions import AudioQuestion, QuestionSet
from r1aqa_helpers.scoring import Score, score


def sampled(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    profile: Profile,
    out: Path,
    prompts: Sequence[int],
    seeds: Sequence[int],
    sampling: Mapping[str, float],
    test_set: QuestionSet,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Ask with each prompt from each seed; written to ``out/sampled.json``.

    Interrupted, the same call goes on from its journals in ``out``.

    Args:
        questions: with gold answers; ``test_set`` says which they are.
        sampling: for `models.sampling_config`; empty: temperature 1, the whole distribution.

    Raises:
        UserError: as `answering.answer_questions` and `scoring.score`.
    """
    rows = []
    for prompt in prompts:
        scores, agreed = {}, {question.id: set() for question in questions}
        for seed in seeds:
            say(f"prompt <{prompt}>, seed {seed}")
            said = answer_questions(
                loaded,
                questions,
                prompt=prompt,
                batch_tokens=profile.eval_tokens,
                max_new_tokens=profile.max_new_tokens,
                sample=True,
                seed=seed,
                sampling=sampling,
                journal=out / f"prompt-{prompt}-seed-{seed}.journal.jsonl",
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
    write_json(out / "sampled.json", result)
    return result


def _row(prompt: int, scores: Mapping[int, Score], same: float) -> dict[str, Any]:
    """One prompt: the mean over seeds, its interval and spread, and each seed by itself."""
    found = list(scores.values())
    accuracies = [one.average for one in found]
    matches = {
        seed: "".join(str(match) for match in one.matches.values()) for seed, one in scores.items()
    }
    return {
        "prompt": prompt,
        "mean": statistics.fmean(accuracies),
        "ci95": list(interval(matches)),
        "deviation": statistics.stdev(accuracies) if len(found) > 1 else None,
        "least": min(accuracies),
        "most": max(accuracies),
        "same_answer": same,
        "tasks": {
            name: statistics.fmean(one.tasks[name].percent for one in found)
            for name in found[0].tasks
        },
        "seeds": [
            {
                "seed": seed,
                **one.overall.as_dict(),
                "unparsed": one.unparsed,
                "tasks": {name: part.as_dict() for name, part in one.tasks.items()},
            }
            for seed, one in scores.items()
        ],
    }


def sampled_lines(result: Mapping[str, Any]) -> list[str]:
    """What `sampled` found, in lines for a terminal."""
    lines = [", ".join(f"{name} {value:g}" for name, value in result["sampling"].items())]
    for row in result["rows"]:
        low, high = row["ci95"]
        spread = ""
        if row["deviation"] is not None:
            spread = f", standard deviation over seeds {row['deviation']:.1f}"
        tasks = ", ".join(f"{name} {value:.1f}" for name, value in row["tasks"].items())
        lines.append(
            f"prompt <{row['prompt']}>: mean {row['mean']:.1f} % ({low:.1f}–{high:.1f},"
            f" n {result['n']}, {len(row['seeds'])} seeds){spread}; {tasks}"
        )
        for one in row["seeds"]:
            low, high = one["ci95"]
            lines.append(
                f"  seed {one['seed']}: {one['accuracy']:.1f} % ({low:.1f}–{high:.1f}),"
                f" {one['unparsed']} answers name no choice"
            )
        lines.append(f"  the same answer from every seed: {row['same_answer']:.1f} % of questions")
    return lines
