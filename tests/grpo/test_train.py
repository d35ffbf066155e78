"""Whole runs of a few steps: files, interruption and continuation, refusals."""

import copy
import json
import shutil
from dataclasses import replace

import pytest
import torch

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_journal
from r1aqa_helpers.grpo import train
from r1aqa_helpers.grpo.train import GRPOSettings, train_grpo
from r1aqa_helpers.models import load
from r1aqa_helpers.training import COMPLETE, run_schedule

SETTINGS = GRPOSettings(
    steps=4,
    prompts_per_step=2,
    group_size=3,
    prompts_per_forward=1,
    lr=1e-2,
    max_completion=6,
    save_every=2,
)


class Reward:
    """Rewards that a random model can earn; interrupts the run when told to."""

    def __init__(self, interrupt_at=None):
        self.calls, self.interrupt_at = 0, interrupt_at

    def rewards_for(self, prompt):
        def accuracy_reward(completions, completion_ids, **columns):
            self.calls += 1
            if self.calls == self.interrupt_at:
                raise KeyboardInterrupt
            return [float(sum(ids) % 3) for ids in completion_ids]

        def format_reward(completions, **columns):
            return [float(len(completion) > 4) for completion in completions]

        return [accuracy_reward, format_reward]


def run(loaded, questions, folder, monkeypatch, settings=SETTINGS, interrupt_at=None):
    reward = Reward(interrupt_at)
    monkeypatch.setattr(train, "rewards_for", reward.rewards_for)
    return train_grpo(copy.deepcopy(loaded), questions, settings, folder), reward


def weights(folder):
    return load(folder, device="cpu").model.state_dict()


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    loaded, questions, tmp_path, monkeypatch, lora_rank
):
    settings = replace(SETTINGS, lora_rank=lora_rank)
    whole, _ = run(loaded, questions, tmp_path / "whole", monkeypatch, settings)
    # In step 4, when steps 1 to 3 stand in the journals and 1 and 2 in the checkpoint.
    with pytest.raises(KeyboardInterrupt):
        run(loaded, questions, tmp_path / "torn", monkeypatch, settings, interrupt_at=4)
    assert [row["step"] for row in read_journal(tmp_path / "torn/metrics.jsonl")] == [1, 2, 3]
    again, reward = run(loaded, questions, tmp_path / "torn", monkeypatch, settings)
    assert reward.calls == 2, "only steps 3 and 4"

    expected, got, start = weights(whole), weights(again), loaded.model.state_dict()
    moved = max((expected[key] - start[key]).abs().max() for key in start)
    assert moved > 1e-3
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], rtol=0, atol=1e-6)
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        one, other = (read_journal(tmp_path / run / name) for run in ("whole", "torn"))
        assert len(other) == len(one) and [r["step"] for r in other] == [r["step"] for r in one]
        for a, b in zip(without_time(one), without_time(other), strict=True):
            assert a == pytest.approx(b, abs=1e-5) if name == "metrics.jsonl" else a == b


def test_what_a_run_writes(loaded, questions, tmp_path, monkeypatch, capsys):
    folder, _ = run(loaded, questions, tmp_path, monkeypatch)
    assert folder == tmp_path / "model"
    metrics = read_journal(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in metrics] == [1, 2, 3, 4]
    expected = {"loss", "reward", "accuracy", "format", "reward_std", "zero_variance_groups"}
    expected |= {"kl", "entropy", "completion_length", "seconds", "lr", "grad_norm"}
    assert expected <= metrics[0].keys()
    assert [row["lr"] for row in metrics] == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])

    rollouts = read_journal(tmp_path / "rollouts.jsonl")
    assert [row["step"] for row in rollouts] == [1, 1, 2, 2, 3, 3, 4, 4]
    order = run_schedule(len(questions), 8, SETTINGS.seed)
    assert [row["id"] for row in rollouts] == [f"q{i}" for i in order]
    for step, (one, two) in enumerate(zip(rollouts[::2], rollouts[1::2], strict=True)):
        rewards = torch.tensor([one["rewards"], two["rewards"]])
        assert metrics[step]["reward"] == pytest.approx(rewards.mean().item(), abs=1e-6)
        deviation = rewards.std(dim=1).mean().item()
        assert metrics[step]["reward_std"] == pytest.approx(deviation, abs=1e-6)
        equal = (rewards.std(dim=1) == 0).float().mean().item()
        assert metrics[step]["zero_variance_groups"] == equal
        assert len(one["completions"]) == len(one["advantages"]) == 3
    said = capsys.readouterr()
    others = [line for line in said.err.splitlines() if not line.startswith("GRPO: ")]
    assert (said.out, others) == ("", []), "nothing but progress, on a slow machine"


def test_a_run_that_has_ended_is_not_repeated(loaded, questions, tmp_path, monkeypatch):
    first, _ = run(loaded, questions, tmp_path, monkeypatch)
    stamp = (first / "model.safetensors").stat().st_mtime_ns
    for checkpoint in tmp_path.glob("checkpoint-*"):  # to save room
        shutil.rmtree(checkpoint)
    second, reward = run(loaded, questions, tmp_path, monkeypatch)
    assert second == first and reward.calls == 0
    assert (first / "model.safetensors").stat().st_mtime_ns == stamp
    assert len(read_journal(tmp_path / "metrics.jsonl")) == 4


def test_an_unfinished_checkpoint_is_ignored(loaded, questions, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(loaded, questions, tmp_path, monkeypatch, interrupt_at=4)
    torn = tmp_path / "checkpoint-3"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half of it")
    _, reward = run(loaded, questions, tmp_path, monkeypatch)
    assert reward.calls == 2
    assert not torn.exists()
    assert (tmp_path / "checkpoint-4" / COMPLETE).exists()


@pytest.mark.parametrize(
    ("change", "named"), [({"lr": 1e-3}, "settings"), ({"group_size": 2}, "settings")]
)
def test_a_folder_of_another_run_is_refused(
    loaded, questions, tmp_path, monkeypatch, change, named
):
    with pytest.raises(KeyboardInterrupt):
        run(loaded, questions, tmp_path, monkeypatch, interrupt_at=2)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(UserError, match=rf"run\.json: .* another {named}"):
        run(loaded, questions, tmp_path, monkeypatch, replace(SETTINGS, **change))
    with pytest.raises(UserError, match="another questions"):
        run(loaded, questions[:5], tmp_path, monkeypatch)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_how_often_it_saves_may_change(loaded, questions, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(loaded, questions, tmp_path, monkeypatch, interrupt_at=4)
    _, reward = run(loaded, questions, tmp_path, monkeypatch, replace(SETTINGS, save_every=1))
    assert reward.calls == 2


def test_the_time_limit_ends_a_run_with_a_model(loaded, questions, tmp_path, monkeypatch):
    settings = replace(SETTINGS, steps=50, minutes=0.0)
    folder, reward = run(loaded, questions, tmp_path, monkeypatch, settings)
    assert reward.calls == 1
    assert load(folder, device="cpu")


def test_the_tower_stays_as_it_was_when_frozen(loaded, questions, tmp_path, monkeypatch):
    folder, _ = run(loaded, questions, tmp_path, monkeypatch, replace(SETTINGS, freeze_tower=True))
    before, after = loaded.model.state_dict(), weights(folder)
    for key in before:
        same = torch.equal(before[key], after[key])
        assert same == ("audio_tower" in key), key


def test_questions_without_answers_and_unfit_settings_are_refused(loaded, questions, tmp_path):
    hidden = [*questions, replace(questions[0], id="hidden", answer=None)]
    with pytest.raises(UserError, match="question hidden: has no answer"):
        train_grpo(loaded, hidden, SETTINGS, tmp_path / "out")
    with pytest.raises(UserError, match="no question"):
        train_grpo(loaded, [], SETTINGS, tmp_path / "out")
    unfit = replace(SETTINGS, prompts_per_step=3, prompts_per_forward=2)
    with pytest.raises(UserError, match="not a multiple of the 2 prompts per forward"):
        train_grpo(loaded, questions, unfit, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_question_comes_once_before_any_comes_again():
    order = run_schedule(5, 13, seed=1)
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    assert len(set(order[10:])) == 3
    assert order[:5] != order[5:10]
    assert run_schedule(5, 7, seed=1) == order[:7], "a longer run begins like a shorter one"
    assert run_schedule(5, 13, seed=2) != order


def test_the_run_s_description_is_written(loaded, questions, tmp_path, monkeypatch):
    run(loaded, questions, tmp_path, monkeypatch)
    description = json.loads((tmp_path / "run.json").read_text())
    assert description["settings"]["lr"] == 1e-2 and "minutes" not in description["settings"]


def one_of_the_choices(completions, choices, solution, **columns):
    assert all(answer in offered for answer, offered in zip(solution, choices, strict=True))
    return [float(len(text)) for text in completions]


def test_a_run_is_trained_on_rewards_of_ones_own(loaded, questions, tmp_path):
    settings = replace(SETTINGS, steps=1)
    model = copy.deepcopy(loaded)
    train_grpo(model, questions, settings, tmp_path, [one_of_the_choices])
    rollouts = read_journal(tmp_path / "rollouts.jsonl")
    assert all(list(row["rewards_by_function"]) == ["one_of_the_choices"] for row in rollouts)
    metrics = read_journal(tmp_path / "metrics.jsonl")
    assert metrics[0]["accuracy"] is None and metrics[0]["reward"] > 0
    assert "one_of_the_choices" in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(UserError, match="another rewards"):
        train_grpo(loaded, questions, settings, tmp_path)


@pytest.mark.parametrize("rewards", [[], [one_of_the_choices, one_of_the_choices]])
def test_rewards_without_names_of_their_own_are_refused(loaded, questions, tmp_path, rewards):
    with pytest.raises(UserError, match="a __name__ of its own"):
        train_grpo(loaded, questions, SETTINGS, tmp_path, rewards)


def test_who_watches_sees_all_and_cannot_end_the_run(loaded, questions, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "rewards_for", Reward().rewards_for)
    seen = []

    def watch(row):
        seen.append(row)
        if row["step"] == 3:
            raise OSError("the picture cannot be drawn")

    with pytest.warns(UserWarning, match="watching ended .*the picture cannot be drawn"):
        train_grpo(copy.deepcopy(loaded), questions, SETTINGS, tmp_path, watch=watch)
    rows = read_journal(tmp_path / "metrics.jsonl")
    assert len(rows) == SETTINGS.steps and seen == rows[:3]


def test_who_watches_sees_also_what_was_made_before(loaded, questions, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "rewards_for", Reward().rewards_for)
    train_grpo(copy.deepcopy(loaded), questions, replace(SETTINGS, minutes=0), tmp_path)
    whole, after = [], []
    train_grpo(copy.deepcopy(loaded), questions, SETTINGS, tmp_path, watch=whole.append)
    train_grpo(copy.deepcopy(loaded), questions, SETTINGS, tmp_path, watch=after.append)  # ended
    rows = read_journal(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in whole] == list(range(1, SETTINGS.steps + 1))
    assert whole == after == rows
