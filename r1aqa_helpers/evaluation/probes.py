"""All probes of one model on one set of questions, into one folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import AudioQuestion, QuestionSet
from r1aqa_helpers.evaluation.choice_order import order_report, rotations
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.evaluation.text_baselines import Baseline, text_baselines
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.scoring import McNemar, Score, bootstrap_difference, chance, mcnemar, score
from r1aqa_helpers.scoring.text_only import silenced, swapped
from r1aqa_helpers.utils.io import write_json
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.provenance import provenance


@dataclass(frozen=True)
class Contribution:
    """One system with its clips, and with something else in their place."""

    heard: Score  #: with the clips
    instead: Score  #: with the other thing
    changed: float  #: answers that differ between the two, in percent of the questions
    test: McNemar  #: heard against instead
    ci95: tuple[float, float]  #: bootstrap interval of the difference, in points

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; accuracies in percent, differences in points."""
        return {
            "heard": self.heard.overall.as_dict(),
            "instead": self.instead.overall.as_dict(),
            "tasks": {name: part.as_dict() for name, part in self.instead.tasks.items()},
            "changed": self.changed,
            "difference": self.test.difference,
            "difference_ci95": list(self.ci95),
            "mcnemar_p": self.test.p,
        }


def contribution(
    questions: Sequence[AudioQuestion], heard: Mapping[str, str], instead: Mapping[str, str]
) -> Contribution:
    """Compare answers (extracted, by id) to the same questions with clips and without.

    Raises:
        UserError: as ``scoring.score``.
    """
    with_clip, without = score(questions, heard), score(questions, instead)
    same = sum(heard.get(q.id) == instead.get(q.id) for q in questions)
    return Contribution(
        heard=with_clip,
        instead=without,
        changed=100 * (1 - same / len(questions)),
        test=mcnemar(with_clip.matches, without.matches),
        ci95=bootstrap_difference(with_clip.matches, without.matches),
    )


def probe(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    seen: Sequence[AudioQuestion],
    profile: Profile,
    out: Path,
    test_set: QuestionSet,
    prompt: int = 2,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Baselines, choice order and the clip's contribution; written to ``out/probes.json``.

    Asks the model every question under each rotation of its choices, with silence as long as the
    clip, and with another question's clip: about six times the work of one evaluation.
    Interrupted, the same call resumes.

    Args:
        questions: with gold answers; ``test_set`` says which they are.
        seen: labelled training questions, from which the text baselines learn.
        prompt: the paper's prompt.

    Raises:
        UserError: a question has no gold answer, or the folder holds another run's answers.
    """
    chance_level = chance(questions)  # finds a question without a gold answer before the work

    def answers(name: str, asked: Sequence[AudioQuestion]) -> dict[str, str]:
        said = answer_questions(
            loaded,
            asked,
            prompt=prompt,
            batch_tokens=profile.eval_tokens,
            max_new_tokens=profile.max_new_tokens,
            log=out / f"{name}.log.jsonl",
        )
        return {one.id: one.answer for one in said}

    copies = rotations(questions)
    say(f"choice order: {len(questions)} questions under {len(copies)} rotations")
    turned = answers("rotations", copies)
    heard = {q.id: turned[f"{q.id}@0"] for q in questions}
    say("baselines: without the clip")
    replaced = {
        "silence": ("silence as long as the clip", silenced(questions, out / "silence")),
        "other-clip": ("the clip of another question of the task", swapped(questions, seed)),
    }
    without = [
        Baseline(name, about, answers(name, asked)) for name, (about, asked) in replaced.items()
    ]
    baselines = [*text_baselines(questions, seen, seed), *without]
    result = {
        "model": place(loaded.name),
        "prompt": prompt,
        "seed": seed,
        "n": len(questions),
        "test_set": test_set.as_dict(),
        "chance": chance_level,
        "floors": [_row(one, questions) for one in baselines],
        "order": order_report(questions, turned).as_dict(),
        "contribution": {
            one.name: contribution(questions, heard, one.answers).as_dict() for one in without
        },
        "provenance": provenance(),
    }
    write_json(out / "probes.json", result)
    return result


def _row(baseline: Baseline, questions: Sequence[AudioQuestion]) -> dict[str, Any]:
    result = score(questions, baseline.answers)
    return {
        "name": baseline.name,
        "about": baseline.about,
        **result.overall.as_dict(),
        "tasks": {name: part.as_dict() for name, part in result.tasks.items()},
        "unparsed": result.unparsed,
    }


def probe_lines(result: Mapping[str, Any]) -> list[str]:
    """The result of `probe` in lines for a terminal."""
    lines = [f"chance: {result['chance']:.1f} %, n {result['n']}, prompt <{result['prompt']}>"]
    for row in result["floors"]:
        low, high = row["ci95"]
        lines.append(
            f"{row['name']}: {row['accuracy']:.1f} % ({low:.1f}–{high:.1f}), {row['about']}"
        )
    order = result["order"]
    given, every = order["as_given"], order["all_right"]
    lines.append(
        f"choice order: {given['accuracy']:.1f} % as given, {order['mean']:.1f} % over all"
        f" rotations, {every['accuracy']:.1f} % correct under every one;"
        f" {order['unparsed']} of {order['asked']} answers name no choice"
    )
    for choices, shares in order["positions"].items():
        told = ", ".join(f"{share:.1f}" for share in shares)
        lines.append(f"  of {choices} choices the answer was at places 1 to {choices}: {told} %")
    for name, part in result["contribution"].items():
        low, high = part["difference_ci95"]
        lines.append(
            f"the clip against {name}: {part['difference']:+.1f} points ({low:+.1f} to {high:+.1f},"
            f" p = {part['mcnemar_p']:.2g}), {part['changed']:.1f} % of the answers change"
        )
    return lines
