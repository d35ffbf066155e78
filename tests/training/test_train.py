"""Whole runs of a few steps: files, interruption and continuation, refusals."""

import copy
import json
import math
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import Trainer

from r1aqa_helpers.models import generation, load
from r1aqa_helpers.training import COMPLETE, divide_step, run_schedule
from r1aqa_helpers.training.grpo import run as train
from r1aqa_helpers.training.grpo.run import GRPOSettings, _passes_per_rollout, train_grpo
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.run import open_run
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.locks import only_writer

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


@pytest.fixture
def run(loaded, questions, monkeypatch):
    """Trains a copy of the random model, and says how often rewards were asked for."""

    def start(folder, settings=SETTINGS, interrupt_at=None, questions=questions, **more):
        reward = Reward(interrupt_at)
        monkeypatch.setattr(train, "rewards_for", reward.rewards_for)
        return train_grpo(copy.deepcopy(loaded), questions, settings, folder, **more), reward.calls

    return start


def weights(folder):
    return load(folder, device="cpu").model.state_dict()


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    loaded, questions, tmp_path, run, lora_rank
):
    """From a checkpoint of step 2, with recordings that were moved and another save_every.

    To the bit; but what a frozen encoder makes of a clip is kept, and made again after a start,
    in a batch with other clips, whose shape decides how sums are rounded.
    """
    near = 1e-6 if lora_rank else 0.0
    settings = replace(SETTINGS, lora_rank=lora_rank)
    whole, _ = run(tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "torn", settings, interrupt_at=4)
    assert [row["step"] for row in read_log(tmp_path / "torn/metrics.jsonl")] == [1, 2, 3]
    unfinished = tmp_path / "torn" / "checkpoint-3"
    unfinished.mkdir()
    (unfinished / "model.safetensors").write_bytes(b"half of it")
    shutil.copytree(questions[0].audio.parent, tmp_path / "moved")
    moved = [replace(q, audio=tmp_path / "moved" / q.audio.name) for q in questions]
    again, calls = run(tmp_path / "torn", replace(settings, save_every=4), questions=moved)
    assert calls == 2, "only steps 3 and 4"
    assert not unfinished.exists() and (tmp_path / "torn" / "checkpoint-4" / COMPLETE).exists()

    expected, got, start = weights(whole), weights(again), loaded.model.state_dict()
    assert max((expected[key] - start[key]).abs().max() for key in start) > 1e-3
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], rtol=0, atol=near)
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        one, other = (read_log(tmp_path / run / name) for run in ("whole", "torn"))
        assert [r["step"] for r in other] == [r["step"] for r in one]
        for a, b in zip(without_time(one), without_time(other), strict=True):
            rounded = lora_rank and name == "metrics.jsonl"
            assert a == (pytest.approx(b, abs=1e-5) if rounded else b)


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_has_its_rows_in_the_same_order_after_a_start(questions, tmp_path, run, seed):
    """In the second round through the questions, which comes in another order than the first."""
    settings = replace(SETTINGS, steps=4, prompts_per_step=3, prompts_per_forward=3, seed=seed)
    whole, _ = run(tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "torn", settings, interrupt_at=4)
    again, _ = run(tmp_path / "torn", settings)
    one, other = (read_log(tmp_path / name / "metrics.jsonl") for name in ("whole", "torn"))
    assert without_time(one) == without_time(other)
    assert all(weights(again)[key].equal(weight) for key, weight in weights(whole).items())


def test_what_a_run_writes(questions, tmp_path, run):
    folder, _ = run(tmp_path)
    assert folder == tmp_path / "model"
    metrics = read_log(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in metrics] == [1, 2, 3, 4]
    assert metrics[0].keys() >= {"loss", "accuracy", "format", "kl", "entropy", "grad_norm"}
    assert [row["lr"] for row in metrics] == pytest.approx([1e-2, 7.5e-3, 5e-3, 2.5e-3])

    rollouts = read_log(tmp_path / "rollouts.jsonl")
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
    described = json.loads((tmp_path / "run.json").read_text())
    assert described["settings"]["lr"] == 1e-2 and "minutes" not in described["settings"]

    # It has ended, and is not repeated, even without its checkpoints.
    for checkpoint in tmp_path.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert run(tmp_path) == (folder, 0)
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    assert read_log(tmp_path / "metrics.jsonl") == metrics


def test_a_folder_of_another_run_is_refused(questions, tmp_path, run):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupt_at=2)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    for change in ({"lr": 1e-3}, {"group_size": 2}):
        with pytest.raises(UserError, match=r"run\.json: .* another settings"):
            run(tmp_path, replace(SETTINGS, **change))
    for others in (questions[:5], [*questions[:5], replace(questions[5], answer="dog")]):
        with pytest.raises(UserError, match="another questions"):
            run(tmp_path, questions=others)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("row", ['{"loss": 1}', '{"step": null}', '{"step": "1"}', '{"step": [1]}'])
def test_a_log_that_does_not_tell_its_steps_is_one_line(tmp_path, row):
    open_run(tmp_path, {"settings": {"steps": 2}})
    (tmp_path / "metrics.jsonl").write_text(row + "\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl: has a row without its step"):
        open_run(tmp_path, {"settings": {"steps": 2}})


def test_a_file_in_the_place_of_a_checkpoint_is_one_line(tmp_path):
    (tmp_path / "checkpoint-1").write_text("")
    with pytest.raises(UserError, match=r"checkpoint-1: cannot be removed .*; remove it"):
        open_run(tmp_path, {"settings": {"steps": 2}})


@pytest.mark.parametrize("change", [{"freeze_audio_encoder": True}, {"text_only": True}])
def test_what_is_not_trained_stays_as_it_was(loaded, questions, tmp_path, run, change):
    """The frozen encoder; and for text alone, which opens no recording, the projector too."""
    unmoved = ("audio_tower",)
    if "text_only" in change:
        questions = [replace(question, audio=Path("nowhere.wav")) for question in questions]
        unmoved = ("audio_tower", "projector")
    folder, _ = run(tmp_path, replace(SETTINGS, steps=1, **change), questions=questions)
    after = weights(folder)
    for name, before in loaded.model.state_dict().items():
        assert torch.equal(before, after[name]) == any(part in name for part in unmoved), name


def test_unfit_questions_and_settings_are_refused(loaded, questions, tmp_path):
    hidden = [*questions, replace(questions[0], id="hidden", answer=None)]
    unfit = replace(SETTINGS, prompts_per_step=3, prompts_per_forward=2)
    for asked, settings, rewards, message in (
        (hidden, SETTINGS, None, "question hidden: has no answer"),
        ([], SETTINGS, None, "no question"),
        (questions, unfit, None, "3 prompts per step .* 2 prompts per forward"),
        (questions, SETTINGS, [], "a name of its own"),
        (questions, SETTINGS, [longest, longest], "a name of its own"),
    ):
        with pytest.raises(UserError, match=message):
            train_grpo(loaded, asked, settings, tmp_path / "out", rewards)
    assert not (tmp_path / "out").exists()


def test_all_recordings_are_decoded_before_the_first_step(questions, tmp_path, run):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    settings = replace(SETTINGS, steps=1, prompts_per_step=1)
    *_, last = run_schedule(len(questions), len(questions), settings.seed)
    spoilt = [replace(q, audio=bad) if i == last else q for i, q in enumerate(questions)]
    with pytest.raises(UserError, match="1 of 6 recordings cannot be used"):
        run(tmp_path / "out", settings, questions=spoilt)
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_every_question_comes_once_before_any_comes_again():
    order = run_schedule(5, 13, seed=1)
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    assert len(set(order[10:])) == 3 and order[:5] != order[5:10]
    assert run_schedule(5, 7, seed=1) == order[:7], "a longer run begins like a shorter one"
    assert run_schedule(5, 13, seed=2) != order


def longest(completions, choices, solution, **columns):
    assert all(answer in offered for answer, offered in zip(solution, choices, strict=True))
    return [float(len(text)) for text in completions]


def test_a_run_is_trained_on_rewards_of_ones_own(loaded, questions, tmp_path):
    settings = replace(SETTINGS, steps=1)
    train_grpo(copy.deepcopy(loaded), questions, settings, tmp_path, [longest])
    rollouts = read_log(tmp_path / "rollouts.jsonl")
    assert all(list(row["rewards_by_function"]) == ["longest"] for row in rollouts)
    metrics = read_log(tmp_path / "metrics.jsonl")
    assert metrics[0]["accuracy"] is None and metrics[0]["reward"] > 0
    assert "longest" in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(UserError, match="another rewards"):
        train_grpo(loaded, questions, settings, tmp_path)


@pytest.mark.parametrize(
    ("most", "at_once", "passes", "together"),
    [(None, 1, 6, 6), (1, 1, 6, 1), (4, 1, 6, 3), (5, 2, 6, 2), (1, 4, 2, 1)],
)
def test_parts_of_a_rollout_are_equal_and_no_larger_than_asked(most, at_once, passes, together):
    settings = replace(SETTINGS, prompts_per_rollout=most)
    assert _passes_per_rollout(settings, at_once, passes) == together


def test_a_step_sampled_in_parts_is_made_of_the_same_questions(tmp_path, run, monkeypatch):
    sampled, sample = [], AudioGRPOTrainer.sample

    def watched(self, model, numbers):
        sampled.append(len(numbers))
        return sample(self, model, numbers)

    monkeypatch.setattr(AudioGRPOTrainer, "sample", watched)
    found = []
    for most, calls in ((None, [6, 6]), (1, [3] * 4)):
        sampled.clear()
        out = tmp_path / str(most)
        run(out, replace(SETTINGS, steps=2, prompts_per_rollout=most))
        assert sampled == calls
        rollouts = read_log(out / "rollouts.jsonl")
        found.append(sorted((row["step"], row["id"]) for row in rollouts))
    assert found[0] == found[1] and len(found[0]) == 4


def no_one(completions, **columns):
    return [None] * len(completions)


class Sometimes:
    """Abstains from every third completion."""

    def __call__(self, completions, **columns):
        return [None if i % 3 == 0 else float(i) for i in range(len(completions))]


async def later(completions, **columns):
    return [float(len(completion)) for completion in completions]


def test_rewards_may_abstain_and_be_any_callable(loaded, questions, tmp_path):
    rewards = [Sometimes(), partial(no_one, more=1), later]
    settings = replace(SETTINGS, steps=2, max_completion=4)
    train_grpo(loaded, questions, settings, tmp_path, rewards=rewards)
    rows = read_log(tmp_path / "rollouts.jsonl")
    for row in rows:
        found = row["rewards_by_function"]
        assert set(found) == {"Sometimes", "no_one", "later"}
        assert found["no_one"] == [None] * 3 and found["Sometimes"][0] is None
        totals = [(a or 0) + b for a, b in zip(found["Sometimes"], found["later"], strict=True)]
        assert row["rewards"] == pytest.approx(totals)
    train_grpo(loaded, questions, settings, tmp_path / "none", rewards=[no_one])
    assert read_log(tmp_path / "none" / "metrics.jsonl")[-1]["reward"] is None
    assert read_log(tmp_path / "none" / "rollouts.jsonl")[-1]["rewards"] == [None] * 3


@pytest.mark.parametrize("value", [math.nan, math.inf, "high", [1.0]], ids=str)
def test_a_reward_that_is_no_number_names_function_question_and_step(
    loaded, questions, tmp_path, value
):
    def mine(completions, trainer_state, **columns):
        last = value if trainer_state.global_step else 0.0
        return [0.0, 1.0, last] * (len(completions) // 3)

    with pytest.raises(UserError, match=r"reward mine: gave .* at step 2, question 'q\d'"):
        train_grpo(loaded, questions, SETTINGS, tmp_path, rewards=[mine])
    assert [row["step"] for row in read_log(tmp_path / "metrics.jsonl")] == [1]


def test_a_folder_has_one_writer_and_may_not_vanish(loaded, questions, tmp_path):
    with only_writer(tmp_path / "a"), pytest.raises(UserError, match="another process"):
        train_grpo(loaded, questions, SETTINGS, tmp_path / "a")

    def remove(row):
        shutil.rmtree(tmp_path / "b")

    with pytest.raises(UserError, match="was removed while the run went on"):
        train_grpo(loaded, questions, SETTINGS, tmp_path / "b", watch=remove)


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_rollouts_can_be_compiled(run, tmp_path, monkeypatch, lora_rank):
    used = []

    class Counted(generation.FixedPasses):
        def __call__(self, *inputs):
            used.append(1)
            return super().__call__(*inputs)

    monkeypatch.setattr(generation, "FixedPasses", Counted)
    monkeypatch.setattr(generation, "_COMPILE", {"backend": "eager", "fullgraph": True})
    generation._compiled_pass.cache_clear()
    settings = replace(SETTINGS, steps=1, lora_rank=lora_rank)
    run(tmp_path / "plain", settings)
    assert not used
    run(tmp_path / "compiled", replace(settings, compile_rollouts=True))
    assert len(used) == SETTINGS.max_completion - 1
    generation._compiled_pass.cache_clear()


def test_a_checkpoint_that_cannot_be_written_is_one_line(run, tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file data.pkl: No space left")

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
        with pytest.raises(UserError, match="checkpoint of step 2 cannot be written .* make room"):
            run(tmp_path)
    assert run(tmp_path)[0] == tmp_path / "model"


def test_a_damaged_checkpoint_is_one_line_and_without_it_the_run_goes_on(run, tmp_path):
    """Emptied, gone, or full of zeros, as after a power cut: never a run that begins anew."""
    settings = replace(SETTINGS, save_every=1)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, settings, interrupt_at=4)
    last = tmp_path / "checkpoint-3"
    read = {"config.json", "model.safetensors", "trainer_state.json"}
    read |= {"optimizer.pt", "scheduler.pt", "rng_state.pth"}
    assert read <= {path.name for path in last.iterdir()}
    for held in [path for path in last.iterdir() if path.name != COMPLETE]:
        whole = held.read_bytes()
        kinds = [b"", None, whole[:-1]]
        if held.name in read:
            kinds.append(bytes(len(whole)))
        for kind in kinds:
            held.unlink(missing_ok=True)
            if kind is not None:
                held.write_bytes(kind)
            with pytest.raises(UserError, match=r"checkpoint-3\b.*checkpoint before"):
                run(tmp_path, settings)
        held.write_bytes(whole)
    shutil.rmtree(last)
    assert run(tmp_path, settings)[1] == 2, "only steps 3 and 4"


def test_a_step_is_divided_over_processes(monkeypatch):
    monkeypatch.setattr("r1aqa_helpers.training.distributed.count", lambda: 4)
    assert divide_step("GRPO", "prompts", 16, 2) == (2, 2)
    assert divide_step("GRPO", "prompts", 8, 8) == (2, 1), "a share goes at once"
    for per_step, per_forward in ((10, 1), (12, 2)):
        with pytest.raises(UserError, match="prompts per step"):
            divide_step("GRPO", "prompts", per_step, per_forward)
