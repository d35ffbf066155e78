"""What an accuracy is made of: baselines, the order of the choices, and the clip's contribution.

What a model knows does not depend on the place of the correct choice. MMAU is scored in one order
only, so a habit (the first choice, where nothing was understood) hides in the accuracy: here each
question is asked under all rotations of its choices. Source: P. Pezeshkpour and E. Hruschka, Large
language models sensitivity to the order of options in multiple-choice questions, arXiv 2308.11483.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from r1aqa_helpers.data import AudioQuestion, QuestionSet
from r1aqa_helpers.data.recordings import check_recordings
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.scoring import (
    Accuracy,
    McNemar,
    Score,
    accepted_choices,
    best_position,
    bootstrap_difference,
    chance,
    fixed_position,
    longest_choice,
    majority_answer,
    mcnemar,
    random_choice,
    score,
    string_match,
)
from r1aqa_helpers.scoring.text import accuracy_text, gain_text
from r1aqa_helpers.scoring.text_only import silenced, swapped, text_only_answers
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_json
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.provenance import provenance
from r1aqa_helpers.utils.untrusted import shown_value


@dataclass(frozen=True)
class Baseline:
    """Answers by question id, and how they were made."""

    name: str
    about: str
    answers: dict[str, str]


def text_baselines(
    questions: Sequence[AudioQuestion], seen: Sequence[AudioQuestion], seed: int = 0
) -> list[Baseline]:
    """Answers that need no hearing; ``seen`` are labelled training questions."""
    first = best_position(seen)
    return [
        Baseline("random", f"a choice drawn by seed {seed}", random_choice(questions, seed)),
        Baseline("first", "always the first choice", fixed_position(questions)),
        Baseline(
            "best-place",
            f"always choice {first + 1}, the place most often correct in training",
            fixed_position(questions, first),
        ),
        Baseline("longest", "the choice with the most letters", longest_choice(questions)),
        Baseline(
            "majority",
            "the choice that was most often correct in training",
            majority_answer(questions, seen),
        ),
        Baseline(
            "text-only",
            "naive Bayes over the words of question and choices, learnt in training",
            text_only_answers(questions, seen),
        ),
    ]


def rotations(questions: Sequence[AudioQuestion]) -> list[AudioQuestion]:
    """Each question k times, k being the number of its choices; in copy r they begin with the r-th.

    Copy r of question ``q`` has the id ``q@r``; copy 0 has the choices as they were.
    """
    return [
        replace(q, id=f"{q.id}@{r}", choices=q.choices[r:] + q.choices[:r])
        for q in questions
        for r in range(len(q.choices))
    ]


@dataclass(frozen=True)
class OrderReport:
    """How one system did on all rotations of a set of questions."""

    as_given: Accuracy  #: copy 0 alone: the accuracy that is usually reported
    all_correct: Accuracy  #: questions answered correctly under every rotation
    any_correct: Accuracy  #: questions answered correctly under one rotation or more
    mean: float  #: mean over the questions of the share of rotations answered correctly, percent
    positions: dict[int, list[float]]
    """Number of choices to the percentages of answers at position 0, 1, …; 100 / k each
    where position does not matter, since each choice is at each position once."""
    unparsed: int  #: answers that name no choice, or several
    asked: int  #: rotations in all

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it; accuracies in percent."""
        accuracies = ("as_given", "all_correct", "any_correct")
        return {
            **vars(self),
            **{name: getattr(self, name).as_dict() for name in accuracies},
            "positions": {str(k): shares for k, shares in self.positions.items()},
        }


def order_report(questions: Sequence[AudioQuestion], answers: Mapping[str, str]) -> OrderReport:
    """What ``answers`` (extracted, by the ids of `rotations`) say of the order's influence.

    Raises:
        UserError: there are no questions, one has no gold answer, or a rotation no answer.
    """
    chance(questions)  # finds that there are none, or one without a gold answer
    verdicts: list[list[bool]] = []
    chosen: dict[int, list[int]] = {}
    unparsed = 0
    for question in questions:
        gold = question.answer or ""  # `chance` has refused questions without
        verdicts.append([])
        for copy in rotations([question]):
            if copy.id not in answers:
                raise UserError(f"choice order: no answer for {shown_value(copy.id)}; ask it")
            said, k = answers[copy.id], len(copy.choices)
            verdicts[-1].append(string_match(gold, said, copy.choices))
            places = accepted_choices(said, copy.choices)
            if len(places) == 1:
                chosen.setdefault(k, [0] * k)[places[0]] += 1
            else:
                unparsed += 1
    n = len(questions)
    return OrderReport(
        as_given=Accuracy(sum(of[0] for of in verdicts), n),
        all_correct=Accuracy(sum(map(all, verdicts)), n),
        any_correct=Accuracy(sum(map(any, verdicts)), n),
        mean=100 * sum(sum(of) / len(of) for of in verdicts) / n,
        positions={
            k: [100 * count / sum(counts) for count in counts]
            for k, counts in sorted(chosen.items())
        },
        unparsed=unparsed,
        asked=sum(map(len, verdicts)),
    )


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
    matches = with_clip.matches, without.matches
    changed = 100 * (1 - same / len(questions))
    test, ci95 = mcnemar(*matches), bootstrap_difference(*matches)
    return Contribution(with_clip, without, changed, test, ci95)


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
        UserError: a question has no gold answer, a recording cannot be used, or the folder holds
            another run's answers.
    """
    chance_level = chance(questions)  # finds a question without a gold answer before the work
    check_recordings(questions)

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
        "baselines": [
            {"name": one.name, "about": one.about, **score(questions, one.answers).row_dict()}
            for one in baselines
        ],
        "order": order_report(questions, turned).as_dict(),
        "contribution": {
            one.name: contribution(questions, heard, one.answers).as_dict() for one in without
        },
        "provenance": provenance(),
    }
    write_json(out / "probes.json", result)
    return result


def probe_lines(result: Mapping[str, Any]) -> list[str]:
    """The result of `probe` in lines for a terminal."""
    lines = [f"chance: {result['chance']:.1f} %, n {result['n']}, prompt <{result['prompt']}>"]
    lines += [f"{row['name']}: {accuracy_text(row)}, {row['about']}" for row in result["baselines"]]
    order = result["order"]
    given, every = order["as_given"], order["all_correct"]
    lines.append(
        f"choice order: {given['accuracy']:.1f} % as given, {order['mean']:.1f} % over all"
        f" rotations, {every['accuracy']:.1f} % correct under every one;"
        f" {order['unparsed']} of {order['asked']} answers name no choice"
    )
    for choices, shares in order["positions"].items():
        told = ", ".join(f"{share:.1f}" for share in shares)
        lines.append(f"  of {choices} choices the answer was at places 1 to {choices}: {told} %")
    for name, part in result["contribution"].items():
        gain = gain_text(part["difference"], part["mcnemar_p"], part["difference_ci95"])
        lines.append(
            f"the clip against {name}: {gain}, {part['changed']:.1f} % of the answers change"
        )
    return lines
