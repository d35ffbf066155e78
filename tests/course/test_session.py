"""What every notebook starts with: samples with each task's share, and questions held out."""

import hashlib
import shutil
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from r1aqa_helpers.course import Lab, session, start
from r1aqa_helpers.course.answer_groups import sample_groups
from r1aqa_helpers.course.session import stratified
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import header_seconds
from r1aqa_helpers.evaluation.local import answer_one
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.models import load_for
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_json


def test_a_sample_has_each_tasks_share():
    tasks = ["sound"] * 60 + ["music"] * 30 + ["speech"] * 10
    questions = [
        AudioQuestion(str(i), Path("x.wav"), "What?", ("a", "b"), "a", task=task)
        for i, task in enumerate(tasks)
    ]
    for n, shares in ((10, (6, 3, 1)), (50, (30, 15, 5))):
        chosen = stratified(questions, n, seed=0)
        counts = Counter(q.task for q in chosen)
        assert (counts["sound"], counts["music"], counts["speech"]) == shares
        assert [int(q.id) for q in chosen] == sorted({int(q.id) for q in chosen})
        assert chosen == stratified(questions, n, seed=0)
    with pytest.raises(ValueError, match="of 100"):
        stratified(questions, 101, 0)


def test_a_session_seeds_what_is_drawn(capsys):
    start("tiny", seed=3)
    first = torch.rand(3)
    start("tiny", seed=3)
    assert torch.equal(first, torch.rand(3))
    assert capsys.readouterr().out == "profile tiny, seed 3\n" * 2


def test_elsewhere_the_last_tenth_is_held_out(make_questions, tmp_path):
    train, test = make_questions(20)
    lab = Lab(replace(PROFILES["a100"], train=train, test=test), 0, tmp_path)
    ids = [q.id for q in lab.train_questions()]
    held_out = [q.id for q in lab.validation_questions()]
    assert (len(ids), held_out) == (18, ["q18", "q19"])
    assert len(lab.test_questions(6)) == 6 and len(lab.test_questions(200)) == 20


def test_a_profile_that_names_no_files_takes_what_was_fetched(
    make_questions, tmp_path, monkeypatch
):
    monkeypatch.setattr(session, "RUNS", tmp_path)
    lab = Lab(PROFILES["a100"], 0, tmp_path)
    with pytest.raises(UserError, match="r1aqa data fetch mmau --version v1"):
        lab.test_questions()
    with pytest.raises(UserError, match="r1aqa data fetch avqa"):
        lab.train_questions()
    train, test = make_questions(20)
    shutil.copytree(train.parent, tmp_path / "avqa")
    (tmp_path / "avqa" / train.name).rename(tmp_path / "avqa" / "avqa-train.jsonl")
    assert len(lab.train_questions()) == 18
    folder = tmp_path / "mmau-test-mini-v1"
    shutil.copytree(test.parent, folder)
    digest = hashlib.sha256(test.read_bytes()).hexdigest()
    source = {"version": "v1", "questions": test.name, "sha256": digest}
    write_json(folder / "source.json", source)
    assert len(lab.test_questions()) == 20


@pytest.mark.parametrize(
    ("module", "shown"),
    [
        ("r1aqa_helpers.evaluation.local", True),
        ("torchvision_of_mine", True),
        ("transformers.modeling_utils", False),
    ],
)
def test_only_warnings_of_named_libraries_are_silenced(module, shown):
    with warnings.catch_warnings():
        start("tiny")
        # `record` alone would set the filters back to what pytest wants.
        told: list[object] = []
        warnings.showwarning = lambda *given, **_: told.append(given)
        warnings.warn_explicit("2 clips were cut", UserWarning, "file.py", 1, module, {})
    assert bool(told) is shown


def test_the_environments_seed_is_taken_where_none_is_given(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("R1AQA_SEED", "4")
    monkeypatch.setenv("R1AQA_RUNS", str(tmp_path))
    lab = start("tiny")
    assert (lab.seed, lab.runs, capsys.readouterr().out) == (4, tmp_path, "profile tiny, seed 4\n")
    assert start("tiny", seed=2).seed == 2


def test_the_courses_question_is_one_where_thinking_helps_and_a_group_learns(tmp_path):
    """Eight answers of the base with prompt <2>, of mixed rewards; correct when it thinks."""
    lab = Lab(PROFILES["tiny"], 0, tmp_path, tmp_path)
    question = lab.example()
    assert question.extra["question-type"] == "before-after"
    assert 3 < header_seconds(question.audio) <= 4
    asked = {"solution": [question.answer] * 8, "choices": [question.choices] * 8}
    loaded = load_for(lab.profile)
    (group,) = sample_groups(loaded, [question], prompt=2, seed=0)
    correct = accuracy_reward(group.completions, **asked)
    formatted = format_reward(2)(group.completions)
    rewards = [a + b for a, b in zip(correct, formatted, strict=True)]
    assert set(rewards) == {0, 1, 2} and 2 < sum(correct) < 6
    thought = answer_one(loaded, question.audio, question.question, question.choices, 3)[0]
    assert thought.response.startswith("<think>")
    assert accuracy_reward([thought.response], **{k: v[:1] for k, v in asked.items()}) == [1.0]
