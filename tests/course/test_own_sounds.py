"""The capstone's plan and sounds: what is rendered, cut, split, and asked about it."""

import linecache
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from r1aqa_helpers.course.lessons.n11 import (
    Plan,
    add_section,
    ask_about,
    cut_at_pauses,
    keep_run,
    make_clips,
    read_takes,
    render,
    save_reward,
    split_takes,
    write_takes,
)
from r1aqa_helpers.data import read_avqa, read_mmau, write_avqa, write_mmau
from r1aqa_helpers.data.audio import SAMPLE_RATE, load_audio, save_audio
from r1aqa_helpers.models import CARD
from r1aqa_helpers.scoring import McNemar
from r1aqa_helpers.utils.errors import UserError

NAMES = ("alarm", "knock", "rain")


@pytest.fixture
def takes(tmp_path):
    write_takes(tmp_path / "sounds", NAMES, count=4)
    return read_takes(tmp_path / "sounds")


def test_a_long_recording_is_cut_at_its_pauses(tmp_path):
    rng = np.random.default_rng(0)
    quiet = 0.0005 * rng.standard_normal(SAMPLE_RATE)
    sounds = [render(name, rng) for name in NAMES]
    click = np.r_[quiet, 0.7 * np.ones(300)]
    long = np.concatenate([part for one in sounds for part in (quiet, one)] + [click, quiet])
    pieces = cut_at_pauses(long)
    assert len(pieces) == 3
    for piece, one in zip(pieces, sounds, strict=True):
        assert len(piece) == pytest.approx(len(one), abs=0.15 * SAMPLE_RATE)
    assert cut_at_pauses(np.zeros(SAMPLE_RATE, np.float32)) == []
    save_audio(tmp_path / "mine" / "phone.wav", long.astype(np.float32))
    save_audio(tmp_path / "a" / "phone.wav", sounds[0])
    names = [take.name for take in read_takes(tmp_path)]
    assert names == ["a/phone.wav", *(f"mine/phone.wav ({n})" for n in (1, 2, 3))]


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    with pytest.raises(UserError, match="has 0 subfolders"):
        read_takes(tmp_path)
    write_takes(tmp_path, NAMES, count=1)
    save_audio(tmp_path / "rain" / "99.wav", np.zeros(8000, np.float32))
    with pytest.raises(UserError, match="99.wav: holds no sound"):
        read_takes(tmp_path)
    with pytest.raises(UserError, match="sound 'kettle': is not among siren"):
        write_takes(tmp_path, ["kettle"], count=1)


def test_the_split_is_by_take_and_drawn(takes):
    train, test = split_takes(takes, 1)
    assert Counter(take.label for take in test) == dict.fromkeys(NAMES, 1)
    assert sorted(t.name for t in train + test) == sorted(t.name for t in takes)
    assert split_takes(takes, 1) == (train, test)
    with pytest.raises(UserError, match="'alarm': has 4 takes, of which 4"):
        split_takes(takes, 4)


def test_clips_differ_and_their_names_tell_nothing(takes, tmp_path):
    clips = make_clips(takes, tmp_path / "clips", 4.0, count=2)
    assert [clip.audio.name for clip in clips] == [f"{n:03}.flac" for n in range(24)]
    assert Counter(clip.takes[1] for clip in clips) == dict.fromkeys((t.name for t in takes), 2)
    labels = {take.name: take.label for take in takes}
    assert all(labels[clip.takes[0]] != labels[clip.takes[1]] == clip.label for clip in clips)
    waves = [load_audio(clip.audio) for clip in clips]
    for clip, heard in zip(clips, waves, strict=True):  # the last take is heard last
        parts = [next(t.wave for t in takes if t.name == name) for name in clip.takes]
        first, last = (np.abs(np.correlate(heard, part, "valid")).argmax() for part in parts)
        assert first + len(parts[0]) <= last + 1
    assert all(len(wave) <= 4 * SAMPLE_RATE for wave in waves)
    again = make_clips(takes, tmp_path / "again", 4.0, count=2)
    assert np.array_equal(load_audio(again[3].audio), waves[3])
    with pytest.raises(UserError, match="one after the other, and the model hears 0.5 s"):
        make_clips(takes, tmp_path / "short", 0.5)


def test_questions_are_read_back_and_have_no_favourite_place(takes, tmp_path):
    clips = make_clips(takes, tmp_path / "clips", 4.0)
    asked = ask_about(clips, "Which is last?", "mine", "sound")
    assert Counter(q.choices.index(q.answer) for q in asked) == {0: 4, 1: 4, 2: 4}
    assert [q.answer for q in asked] == [clip.label for clip in clips]
    write_avqa(tmp_path / "train.jsonl", asked)
    write_mmau(tmp_path / "test.json", asked)
    assert read_avqa(tmp_path / "train.jsonl") == asked == read_mmau(tmp_path / "test.json")
    assert len({q.id for q in asked}) == len(asked)
    assert all(sorted(q.choices) == list(NAMES) for q in asked)
    assert read_avqa(tmp_path / "train.jsonl")[0].extra == {"takes": list(clips[0].takes)}


def defined(source: str):
    """A function with its source, as in a notebook's cell."""
    name = "<cell of a test>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space = {}
    exec(compile(source, name, "exec"), space)
    return space["reward"]


def test_a_reward_is_saved_with_its_source(tmp_path):
    source = "def reward(completions, **columns):\n    return [1.0] * len(completions)\n"
    save_reward(defined(source), tmp_path / "reward.py")
    assert (tmp_path / "reward.py").read_text() == source
    with pytest.raises(UserError, match="has no source"):
        save_reward(len, tmp_path / "reward.py")


def test_a_plan_is_registered_once_and_claims_by_its_rule(tmp_path, capsys):
    plan = Plan("Better?", "the reward", "all else", "accuracy", "McNemar", margin=3.0)
    for _ in range(2):
        plan.register(tmp_path / "plan.json")
    first, second = capsys.readouterr().out.splitlines()
    assert first == second and first.startswith("registered: plan.json, sha256 ")
    with pytest.raises(UserError, match="holds another plan"):
        replace(plan, margin=1.0).register(tmp_path / "plan.json")
    better, close = McNemar(30, 5, 400, 6.25, 0.001), McNemar(5, 5, 400, 0.0, 1.0)
    assert plan.claim(better, (3.5, 9.0)).startswith("the changed run is better: +6.2 points")
    assert plan.claim(replace(better, difference=-6.25), (-9.0, -3.5)).startswith("it is worse")
    assert plan.claim(close, (-1.5, 1.5)).startswith("any difference is smaller than 3 points")
    assert plan.claim(close, (-4.5, 1.5)).startswith("inconclusive")


def test_a_run_is_kept_and_a_card_gets_a_section_once(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "model" / CARD).write_text(f"# {name}\n")
        keep_run(SimpleNamespace(folder=tmp_path / name), tmp_path)
    model = tmp_path / "run" / "model"
    for _ in range(2):
        add_section(model, "## Recordings\n\nMine.\n")
    assert (model / CARD).read_text() == "# two\n\n## Recordings\n\nMine.\n"
