"""Less memory, the same result: layers that are computed again, and batches in halves.

Stand-ins for a GPU that is full: the pass that scores too many rows fails, as PyTorch's would, on
its way forward, or backward with some gradients torn.
"""

import copy
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP

from r1aqa_helpers.models import precision
from r1aqa_helpers.training import StepLog, distributed, logprobs
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.out_of_memory import HalvesBatches
from r1aqa_helpers.training.sft import SFTSettings, train_sft
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log

#: Small steps: AdamW's first are of one size also where a gradient is rounding alone.
GRPO = GRPOSettings(
    steps=2, prompts_per_step=2, group_size=4, prompts_per_forward=1, lr=1e-7, max_completion=6
)
SFT = SFTSettings(steps=2, batch_size=4, rows_per_forward=2, lr=1e-7)


class Torn(torch.autograd.Function):
    """Runs out of memory on the way back, when some parameters have got a gradient."""

    @staticmethod
    def forward(context, values, parameter):
        context.parameter = parameter
        return values.clone()

    @staticmethod
    def backward(context, gradient):
        context.parameter.grad = torch.ones_like(context.parameter)
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture
def full_gpu(monkeypatch):
    """Makes passes of more than ``most`` rows fail, from a number of passes on."""

    def make(most, where, first=0):
        compute, passes = logprobs.answer_logps, []

        def scored(model, answers):
            if not torch.is_grad_enabled() or len(answers.ids) <= most:
                return compute(model, answers)
            passes.append(len(answers.ids))
            if len(passes) <= first:
                return compute(model, answers)
            if where == "forward":
                raise torch.OutOfMemoryError("CUDA out of memory")
            logps, entropies = compute(model, answers)
            trained = next(p for p in model.parameters() if p.requires_grad)
            return Torn.apply(logps, trained), entropies

        monkeypatch.setattr(logprobs, "answer_logps", scored)
        return passes

    return make


@pytest.fixture
def gradients(monkeypatch):
    """The gradients of each step, as the optimiser gets them."""
    steps = []

    def note(self, args, state, control, model=None, **named):
        found = model.named_parameters()
        steps.append({n: p.grad.clone() for n, p in found if p.grad is not None})

    monkeypatch.setattr(StepLog, "on_pre_optimizer_step", note)
    return steps


@pytest.fixture
def train(loaded, questions, gradients, tmp_path):
    """Trains a copy of the model; returns gradients, the log and what was sampled."""
    count = iter(range(9))

    def reward(completion_ids, **columns):
        return [float(sum(ids) % 3) for ids in completion_ids]

    def start(settings, trained=loaded):
        out, model = tmp_path / str(next(count)), copy.deepcopy(trained)
        gradients.clear()
        if isinstance(settings, SFTSettings):
            train_sft(model, questions, settings, out)
        else:
            train_grpo(model, questions, settings, out, [reward])
        assert not model.model.is_activation_checkpointing
        rollouts = out / "rollouts.jsonl"
        said = [row["completions"] for row in read_log(rollouts)] if rollouts.exists() else []
        return list(gradients), read_log(out / "metrics.jsonl"), said

    return start


def assert_alike(first, second):
    (grads, rows, said), (others, other_rows, other_said) = first, second
    assert said == other_said and len(rows) == len(other_rows) == len(grads) == 2
    for one, other in zip(grads, others, strict=True):
        assert one.keys() == other.keys()
        largest = max(gradient.abs().max() for gradient in one.values())
        for name, gradient in one.items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-3, atol=1e-5 * largest)
    for row, other in zip(rows, other_rows, strict=True):
        for name in ("loss", "grad_norm", "kl", "entropy"):
            if name in row:
                assert other[name] == pytest.approx(row[name], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    "settings", [GRPO, replace(GRPO, lora_rank=4), SFT], ids=["grpo", "lora", "sft"]
)
def test_layers_computed_again_give_the_same(train, monkeypatch, settings):
    calls, compute = [], Qwen2MLP.forward

    def counted(self, states):
        calls.append(torch.is_grad_enabled())
        return compute(self, states)

    monkeypatch.setattr(Qwen2MLP, "forward", counted)
    plain = train(settings)
    before = sum(calls)
    calls.clear()
    again = train(replace(settings, gradient_checkpointing=True))
    assert_alike(plain, again)
    assert sum(calls) == 2 * before


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize(
    ("settings", "most", "first"),
    [(GRPO, 2, 1), (replace(GRPO, lora_rank=4, gradient_checkpointing=True), 2, 0), (SFT, 1, 1)],
    ids=["grpo", "lora", "sft"],
)
def test_a_batch_that_does_not_fit_goes_through_in_halves(
    train, full_gpu, where, settings, most, first
):
    """In the step's first pass, or after one whose gradients are there already."""
    whole = train(settings)
    passes = full_gpu(most, where, first)
    with pytest.warns(UserWarning, match="^step 1: a batch does not fit .* with the same result$"):
        halves = train(settings)
    assert len(passes) == first + 1, "once: from then on batches are of half the rows"
    assert_alike(whole, halves)


@pytest.mark.parametrize("loss_type", ["bnpo", "dapo", "dr_grpo", "grpo"])
def test_halves_add_up_to_every_loss(loss_type):
    """The shares of rows that differ in length: by rows, by tokens, or of a whole step."""
    mask = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]])
    losses = torch.arange(1.0, 5.0)[:, None].expand(4, 4)
    inputs = {
        "prompt_number": torch.arange(4), "completion_mask": mask, "losses": losses,
        "num_items_in_batch": torch.tensor(10),
    }  # fmt: skip

    def of(trainer, model, part):
        kept = part["losses"] * part["completion_mask"]
        total = {
            "grpo": (kept.sum(1) / part["completion_mask"].sum(1)).mean(),
            "bnpo": kept.sum() / part["completion_mask"].sum(),
            "dr_grpo": kept.sum() / (4 * len(kept)),
            "dapo": kept.sum() / part["num_items_in_batch"],
        }
        return total[loss_type]

    trainer = object.__new__(AudioGRPOTrainer)
    trainer.loss_type, trainer.state = loss_type, SimpleNamespace(global_step=0)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr("trl.GRPOTrainer._compute_loss", of)
        whole = trainer._compute_loss(None, inputs)
        trainer.halved = frozenset({"batch"})
        torch.testing.assert_close(trainer._compute_loss(None, inputs), whole)


def test_a_rollout_that_does_not_fit_is_sampled_in_halves(train, monkeypatch):
    sample, sizes = AudioGRPOTrainer._sample, []

    def limited(self, model, numbers):
        sizes.append(len(numbers))
        if len(numbers) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sample(self, model, numbers)

    monkeypatch.setattr(AudioGRPOTrainer, "_sample", limited)
    with pytest.warns(UserWarning, match="^step 1: a rollout does not fit .* with other draws$"):
        _, rows, said = train(replace(GRPO, gradient_checkpointing=True))
    assert sizes == [8, 4, 4, 4, 4] and len(rows) == 2
    assert [len(group) for group in said] == [4, 4, 4, 4]


def test_what_halves_cannot_help_is_one_line(train, full_gpu, monkeypatch):
    full_gpu(0, "forward")
    with (
        pytest.warns(UserWarning, match="in halves"),
        pytest.raises(UserError, match="^step 1: a batch .*, not even in halves; take a profile"),
    ):
        train(SFT)
    with pytest.raises(UserError, match="^step 1: a batch .* of one row; take a profile"):
        train(replace(SFT, rows_per_forward=1))
    trainer = HalvesBatches.__new__(HalvesBatches)  # as a mixin, without a model
    trainer.state = SimpleNamespace(global_step=4)
    monkeypatch.setattr(distributed, "count", lambda: 2)
    with warnings.catch_warnings(), pytest.raises(UserError, match="^step 5: .*several processes"):
        warnings.simplefilter("error")
        trainer.halve("batch")
    assert not trainer.halved


@pytest.mark.parametrize("settings", [GRPO, SFT], ids=["grpo", "sft"])
def test_float32_weights_are_computed_with_in_bfloat16_where_the_device_has_it(
    train, loaded, monkeypatch, settings
):
    """As on a GPU: small steps are kept, and matrix products are in 16 bits."""
    seen, head = set(), type(loaded.model.lm_head).forward
    settings = replace(settings, lr=1e-7, gradient_checkpointing=True)
    plain = train(settings)
    monkeypatch.setattr(precision, "pick_dtype", lambda dtype, device: torch.bfloat16)

    def watched(self, states):
        out = head(self, states)
        if torch.is_grad_enabled():
            seen.add((self.weight.dtype, out.dtype))
        return out

    monkeypatch.setattr(type(loaded.model.lm_head), "forward", watched)
    half = train(settings)
    assert (torch.float32, torch.bfloat16) in seen
    assert {weight for weight, _ in seen} == {torch.float32}
    for row, other in zip(plain[1], half[1], strict=True):
        assert np.isfinite(other["grad_norm"]) and other["grad_norm"] > 0
        if isinstance(settings, SFTSettings):  # of GRPO another answer may be sampled
            assert other["loss"] == pytest.approx(row["loss"], rel=0.02)
