"""Checkpoints of a run: each kept while the run's folder forgets it, and read back."""

import json

import pytest

from r1aqa_helpers.course.lessons import n07 as checkpoints
from r1aqa_helpers.course.recorded_run import REFERENCE
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_journal
from r1aqa_helpers.profiles import PROFILES


def test_the_kept_checkpoints_begin_with_the_base_and_end_with_the_run(capsys):
    found = checkpoints.recorded_checkpoints()
    assert [c.step for c in found] == list(range(0, 101, checkpoints.EVERY))
    assert all(c.validation.n == 400 for c in found)
    assert found[-1].validation.percent > found[0].validation.percent + 10
    assert "seed 0" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [{}, [], {"n": 4, "checkpoints": [{"step": 10}]}])
def test_a_damaged_file_says_how_it_is_made_anew(tmp_path, kept):
    path = tmp_path / "checkpoints.json"
    path.write_text(json.dumps(kept))
    with pytest.raises(UserError, match="r1aqa_helpers.course.lessons.n07"):
        checkpoints.recorded_checkpoints(path)


def test_every_checkpoint_is_kept_though_the_run_drops_it(tmp_path, monkeypatch):
    def run(loaded, questions, settings, out, watch):
        assert (settings.save_every, settings.steps, settings.beta) == (checkpoints.EVERY, 30, 0.04)
        for step in range(1, settings.steps + 1):
            watch({"step": step})  # the journal comes before the checkpoint
            if step % settings.save_every == 0:
                for old in out.glob("checkpoint-*"):
                    (old / "weights").unlink()
                    old.rmdir()
                folder = out / f"checkpoint-{step}"
                folder.mkdir(parents=True)
                (folder / "weights").write_text(str(step))
        (out / "model").mkdir()
        (out / "model" / "weights").write_text("last")
        return out / "model"

    monkeypatch.setattr(checkpoints, "train_grpo", run)
    monkeypatch.setattr(checkpoints, "load_for", lambda profile: None)
    kept = checkpoints.train(PROFILES["tiny"], [], tmp_path, steps=30)
    found = {path.name: (path / "weights").read_text() for path in kept.iterdir()}
    assert found == {"10": "10", "20": "20", "30": "last"}


def test_steps_are_like_the_reference_as_far_as_their_rewards_are():
    rows = read_journal(REFERENCE / "metrics.jsonl")
    assert checkpoints.steps_like_the_reference(rows) == len(rows)
    rows[4] = {**rows[4], "format": -1.0}
    assert checkpoints.steps_like_the_reference(rows) == 4
