"""All probes of one model on one set of questions, into one folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1aqa_helpers.answering import answer_questions
from r1aqa_helpers.files import write_json
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.paths import place
from r1aqa_helpers.profiles import Profile, hardware
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.scoring import chance, score

from .contribution import contribution
from .floors import Floor, deaf_floors, text_floors
from .orders import order_report, rotations


def probe(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    seen: Sequence[AudioQuestion],
    profile: Profile,
    out: Path,
    prompt: int = 2,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Floors, choice order and the clip's contribution; written to ``out/probes.json``.

    Asks the model every question under each rotation of its choices, and twice more with
    something else in place of the clip: about six times the work of one evaluation. Interrupted,
    the same call goes on.

    Args:
        seen: labelled training questions, from which the readers of the text learn.
        prompt: the paper's prompt.

    Raises:
        UserError: a question without a gold answer, or a folder that holds another run's answers.
    """
    chance_level = chance(questions)  # finds a question without a gold answer before the work
    copies = rotations(questions)
    say(f"choice order: {len(questions)} questions under {len(copies)} rotations")
    said = answer_questions(
        loaded,
        copies,
        prompt=prompt,
        batch_tokens=profile.eval_tokens,
        max_new_tokens=profile.max_new_tokens,
        journal=out / "rotations.journal.jsonl",
    )
    answers = {p.id: p.answer for p in said}
    heard = {q.id: answers[f"{q.id}@0"] for q in questions}
    say("floors: without the clip")
    deaf = deaf_floors(loaded, questions, profile, out, prompt, seed)
    floors = [*text_floors(questions, seen, seed), *deaf]
    result = {
        "model": place(loaded.name),
        "prompt": prompt,
        "seed": seed,
        "n": len(questions),
        "chance": chance_level,
        "hardware": hardware(),
        "floors": [_row(floor, questions) for floor in floors],
        "order": order_report(questions, answers).as_dict(),
        "contribution": {
            floor.name: contribution(questions, heard, floor.answers).as_dict() for floor in deaf
        },
    }
    write_json(out / "probes.json", result)
    return result


def _row(floor: Floor, questions: Sequence[AudioQuestion]) -> dict[str, Any]:
    result = score(questions, floor.answers)
    return {
        "name": floor.name,
        "about": floor.about,
        **result.overall.as_dict(),
        "tasks": {name: part.as_dict() for name, part in result.tasks.items()},
        "unparsed": result.unparsed,
    }


def probe_lines(result: Mapping[str, Any]) -> list[str]:
    """What `probe` found, in lines for a terminal."""
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
        f" rotations, {every['accuracy']:.1f} % right under every one;"
        f" {order['unparsed']} of {order['asked']} answers name no choice"
    )
    for choices, shares in order["positions"].items():
        told = ", ".join(f"{share:.1f}" for share in shares)
        lines.append(f"  of {choices} choices the answer stood at places 1 to {choices}: {told} %")
    for name, part in result["contribution"].items():
        low, high = part["difference_ci95"]
        lines.append(
            f"the clip against {name}: {part['difference']:+.1f} points ({low:+.1f} to {high:+.1f},"
            f" p = {part['mcnemar_p']:.2g}), {part['changed']:.1f} % of the answers change"
        )
    return lines
