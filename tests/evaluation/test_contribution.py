"""The clip's contribution: with the clip against without, on the same questions."""

from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation.probes import contribution
from r1aqa_helpers.scoring.text_only import swapped
from r1aqa_helpers.utils.errors import UserError

ASKED = [
    AudioQuestion(f"q{i}", Path(f"{i}.wav"), "What?", ("cat", "dog"), "cat", task=task)
    for i, task in enumerate(["sound"] * 6 + ["music"] * 4)
]


def test_counts_and_interval():
    heard = {q.id: "cat" for q in ASKED}
    instead = {q.id: "dog" if i < 4 else "cat" for i, q in enumerate(ASKED)}
    found = contribution(ASKED, heard, instead)
    assert found.changed == pytest.approx(40)
    assert found.test.difference == pytest.approx(40) and found.test.p == pytest.approx(0.125)
    low, high = found.ci95
    assert 0 <= low < 40 < high
    told = found.as_dict()
    assert told["heard"]["accuracy"] == 100 and told["instead"]["accuracy"] == 60
    assert told["tasks"]["sound"]["n"] == 6


def test_who_does_not_listen_changes_nothing():
    same = {q.id: "dog" for q in ASKED}
    found = contribution(ASKED, same, dict(same))
    assert found.changed == 0 and found.test.p == 1 and found.ci95 == (0, 0)


def test_swapped_clips_come_from_other_questions_of_the_task():
    exchanged = swapped(ASKED, seed=3)
    own = {q.id: q for q in ASKED}
    clips = {q.audio: q.task for q in ASKED}
    assert all(q.audio != own[q.id].audio and clips[q.audio] == q.task for q in exchanged)
    assert sorted(q.audio for q in exchanged) == sorted(q.audio for q in ASKED)
    assert [q.audio for q in swapped(ASKED, seed=3)] == [q.audio for q in exchanged]
    assert [q.audio for q in swapped(ASKED, seed=4)] != [q.audio for q in exchanged]


def test_a_task_with_one_clip_cannot_be_swapped():
    with pytest.raises(UserError, match="'music': has one clip only"):
        swapped(ASKED[:7])
