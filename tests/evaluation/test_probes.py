"""Choice order, the clip's contribution, and the command that makes all probes of a model."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import AudioQuestion, identify, read_questions, write_avqa
from r1aqa_helpers.evaluation.probes import contribution, order_report, rotations
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY

ORDERED = [
    AudioQuestion("q0", Path("clip.wav"), "What?", ("cat", "dog", "owl"), "dog"),
    AudioQuestion("q1", Path("clip.wav"), "What?", ("red", "blue"), "red"),
]
ASKED = [
    AudioQuestion(f"q{i}", Path(f"{i}.wav"), "What?", ("cat", "dog"), "cat", task=task)
    for i, task in enumerate(["sound"] * 6 + ["music"] * 4)
]


def test_rotations_put_every_choice_at_every_place_once():
    copies = rotations(ORDERED)
    assert [c.id for c in copies] == ["q0@0", "q0@1", "q0@2", "q1@0", "q1@1"]
    assert [c.choices for c in copies[:3]] == [
        ("cat", "dog", "owl"), ("dog", "owl", "cat"), ("owl", "cat", "dog"),
    ]  # fmt: skip
    assert {c.answer for c in copies[:3]} == {"dog"}


def test_the_order_report_tells_knowledge_from_habit_and_from_nothing():
    knows, habit, nothing = (
        order_report(ORDERED, {c.id: say(c) for c in rotations(ORDERED)})
        for say in (lambda c: c.answer, lambda c: c.choices[0], lambda c: "hm")
    )
    assert knows.mean == knows.all_correct.percent == knows.any_correct.percent == 100
    assert knows.positions == {2: [50, 50], 3: [pytest.approx(100 / 3)] * 3}
    assert habit.as_given.correct == 1  # "red" is first
    assert (habit.all_correct.correct, habit.any_correct.correct) == (0, 2)
    assert habit.mean == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)
    told = habit.as_dict()
    assert told["positions"] == {"2": [100, 0], "3": [100, 0, 0]} and told["all_correct"]["n"] == 2
    assert (nothing.unparsed, nothing.asked, nothing.positions, nothing.mean) == (5, 5, {}, 0)
    answers = {c.id: "dog" for c in rotations(ORDERED)}
    del answers["q1@1"]
    with pytest.raises(UserError, match="'q1@1'"):
        order_report(ORDERED, answers)


def test_the_contribution_is_a_paired_comparison():
    heard = {q.id: "cat" for q in ASKED}
    instead = {q.id: "dog" if i < 4 else "cat" for i, q in enumerate(ASKED)}
    found = contribution(ASKED, heard, instead)
    assert found.changed == pytest.approx(40)
    assert found.test.difference == pytest.approx(40) and found.test.p == pytest.approx(0.125)
    assert 0 <= found.ci95[0] < 40 < found.ci95[1]
    told = found.as_dict()
    assert told["heard"]["accuracy"] == 100 and told["instead"]["accuracy"] == 60
    assert told["tasks"]["sound"]["n"] == 6
    found = contribution(ASKED, instead, dict(instead))
    assert found.changed == 0 and found.test.p == 1 and found.ci95 == (0, 0)


def run(questions, out, *more):
    arguments = ["probe", "--profile", "tiny", "--questions", questions, "--out", out, *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_all_probes_of_the_tiny_model(few, tmp_path):
    train, out = tmp_path / "train.jsonl", tmp_path / "out"
    write_avqa(train, read_questions(TINY / "tiny-avqa-train.jsonl")[:60])
    done = run(few, out, "--train", train, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads((out / "probes.json").read_text())
    names = [row["name"] for row in told["baselines"]]
    reading = ["random", "first", "best-place", "longest", "majority", "text-only"]
    assert names == [*reading, "silence", "other-clip"]
    assert told["n"] == 12 and all(row["n"] == 12 for row in told["baselines"])
    asked = read_questions(few)
    assert {"date", "commit", "pins", "hardware"} <= told["provenance"].keys()
    assert told["test_set"] == identify(asked, few).as_dict()
    assert told["order"]["asked"] == sum(len(q.choices) for q in asked)
    assert set(told["contribution"]) == {"silence", "other-clip"}
    assert told["contribution"]["silence"]["heard"] == told["order"]["as_given"]
    silent = next(row for row in told["baselines"] if row["name"] == "silence")
    assert told["contribution"]["silence"]["instead"]["accuracy"] == silent["accuracy"]

    (out / "probes.json").unlink()
    before = (out / "rotations.log.jsonl").read_bytes()
    again = run(few, out, "--train", train)
    assert again.exit_code == 0 and "choice order:" in again.stdout
    assert (out / "rotations.log.jsonl").read_bytes() == before  # nothing asked again
    assert json.loads((out / "probes.json").read_text()) == told

    refused = run(TINY / "tiny-mmau.json", out)
    assert refused.exit_code == 1 and "--train" in refused.stderr
