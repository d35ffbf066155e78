"""float16 without overflow: guarded where it would give infinities, float32's numbers elsewhere.

On the CPU, whose kernels take float16; the training itself, with scaled gradients, needs a GPU.
"""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import get_peft_model
from torch import nn
from transformers import TrainerControl, TrainerState, TrainingArguments

from r1aqa_helpers import models, training
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.models import (
    LoadedModel,
    audio_states,
    chat_text,
    choice_logprobs,
    encode,
    generate,
    greedy_config,
    hearing_check,
    load,
    save,
)
from r1aqa_helpers.models.float16 import no_half_autocast
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.models.precision import training_precision
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.training import sft
from r1aqa_helpers.training.grpo import trl_compat
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.logprobs import Answers, enable_scoring
from r1aqa_helpers.training.prompt_cache import PromptCache
from r1aqa_helpers.training.sft import SFTSettings, train_sft
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log

HALF = torch.finfo(torch.float16)
CPU = torch.device("cpu")


def loud_residual(loaded: LoadedModel) -> None:
    """Both halves of layer 0 add 40,000 to a channel: each is in float16, their sum is not."""
    layer = loaded.model.model.language_model.layers[0]
    layer.self_attn.v_proj.bias.fill_(200.0)
    layer.self_attn.v_proj.weight.zero_()
    layer.self_attn.o_proj.weight[7] = 200 / layer.self_attn.o_proj.weight.shape[1]
    layer.mlp.down_proj.weight[7].zero_()
    layer.mlp.gate_proj.weight[3].zero_()
    layer.mlp.gate_proj.weight[3, 7] = 200 / math.sqrt(layer.mlp.gate_proj.weight.shape[1])
    layer.mlp.up_proj.weight[3] = layer.mlp.gate_proj.weight[3]
    layer.mlp.down_proj.weight[7, 3] = 1.0


def loud_product(loaded: LoadedModel) -> None:
    """A feed-forward layer whose gate and value are 400 each, and their product 160,000."""
    layer = loaded.model.model.language_model.layers[1]
    layer.post_attention_layernorm.weight.fill_(1.0)
    embedding = loaded.model.get_input_embeddings().weight
    embedding[:, 5] = 30 * embedding.abs().max()  # after the norm: about sqrt(width)
    for weight in (layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight):
        weight[3].zero_()
        weight[3, 5] = 400 / math.sqrt(weight.shape[1])
    layer.mlp.down_proj.weight[:, 3] = 1e-3


def loud_encoder(loaded: LoadedModel) -> None:
    """Convolutions of the audio encoder that come to more than 65,504."""
    loaded.model.model.audio_tower.conv1.weight.mul_(3e3)
    loaded.model.model.audio_tower.conv2.weight.mul_(3e3)


CRAFTED = {"residual": loud_residual, "product": loud_product, "encoder": loud_encoder}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved untrained models, with logits of several nats: a plain one, three that overflow.

    Queries and keys begin alike; scaled as well, they would saturate attention, and no gradient
    would pass.
    """
    place = tmp_path_factory.mktemp("models")
    for name in ("plain", *CRAFTED):
        loaded = LoadedModel(*random_tiny(0), "random")
        with torch.no_grad():
            for part, parameter in loaded.model.named_parameters():
                if parameter.ndim == 2 and not part.endswith(("q_proj.weight", "k_proj.weight")):
                    parameter.mul_(4)
            CRAFTED.get(name, lambda loaded: None)(loaded)
        save(loaded, place / name)
    return {name: place / name for name in ("plain", *CRAFTED)}


@pytest.mark.parametrize("place", CRAFTED)
def test_what_overflows_in_float16_does_not_when_guarded(folders, monkeypatch, logits, place):
    with monkeypatch.context() as patch:
        patch.setattr(models.loading, "guard_float16", lambda model: None)
        unguarded = load(folders[place], device="cpu", dtype="float16")
    assert not logits(unguarded).isfinite().all(), "or nothing is put to the test"
    found = logits(load(folders[place], device="cpu", dtype="float16"))
    assert found.isfinite().all()
    wanted = logits(load(folders[place], device="cpu"))
    if place != "product":  # which is cut at float16's end, where the others are in float32
        assert_close_to_half(found, wanted)


def assert_close_to_half(found: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal within float16's rounding, of which a dozen roundings lie on a token's way.

    Logits are rounded to `eps` of the largest; each of 2 layers rounds what it adds five times.
    """
    bound = 12 * HALF.eps * wanted.abs().max()
    assert 0 < (found - wanted).abs().max() < bound


def test_logits_and_states_are_float32_s_within_float16_s_rounding(folders, logits, wave):
    half, full = (load(folders["plain"], device="cpu", dtype=d) for d in ("float16", "float32"))
    assert half.dtype == torch.float16 and full.dtype == torch.float32
    assert_close_to_half(logits(half), logits(full))
    text, choices = chat_text(full, "What is it?"), ("dog", "a bell", "seven")
    one, other = (choice_logprobs(x, text, wave, choices) for x in (half, full))
    assert_close_to_half(one, other)
    inputs = encode(half, [text], [wave])
    frames = inputs["feature_attention_mask"].sum(-1)
    states = [
        audio_states(x.model.model.audio_tower, inputs["input_features"], frames)[0]
        for x in (half, full)
    ]
    assert states[0].dtype == torch.float32
    # Their weights were rounded to float16 on the way, and nothing else was.
    torch.testing.assert_close(states[0], states[1], atol=4 * HALF.eps, rtol=4 * HALF.eps)


def answers_to(loaded: LoadedModel, questions: list[AudioQuestion]) -> Answers:
    prompts = PromptCache(loaded)
    numbers = [prompts.number(q.question, q.audio) for q in questions]
    group = torch.tensor([0, 0, 0, 1, 1])
    ids, mask = prompts.tokens(numbers, CPU)
    words = torch.randint(10, 200, (5, 6), generator=torch.Generator().manual_seed(1))
    kept = (torch.arange(6) < torch.tensor([[6], [2], [4], [5], [3]])).long()
    clips = prompts.clips(numbers, CPU)
    return Answers(ids[group], mask[group], words, kept, group, clips, shared_prefix=True)


@pytest.mark.parametrize(("model", "most"), [("plain", 0.02), ("residual", 0.1)])
def test_an_adapter_in_float32_gets_float32_s_gradients(folders, make_questions, model, most):
    """The base in float16, its residual stream in float32, and the loss.

    Where one channel drowns all others, what reaches the encoder is a small rest of large numbers.
    """
    gradients, questions = [], read_questions(make_questions(2)[0])
    for dtype in ("float16", "float32"):
        loaded = load(folders[model], device="cpu", dtype=dtype)
        answers = answers_to(loaded, questions)
        enable_scoring(loaded.model)
        torch.manual_seed(0)
        adapted = get_peft_model(loaded.model, lora_config(4, audio_encoder=True))
        trained = {n: p for n, p in adapted.named_parameters() if p.requires_grad}
        assert {p.dtype for p in trained.values()} == {torch.float32}
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in trained.values():
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
        # As a gradient scaler begins, so that float16's smallest numbers do not vanish.
        (2**16 * -adapted(answers=answers)[0].mean()).backward()
        gradients.append({name: p.grad / 2**16 for name, p in trained.items()})
    for part in ("audio_tower", "language_model"):
        half, full = (
            torch.cat([grad.flatten() for name, grad in one.items() if part in name])
            for one in gradients
        )
        # float16 has 3 digits; each gradient is a sum of many terms that partly cancel.
        assert half.isfinite().all() and 0 < (half - full).norm() < most * full.norm(), part


def test_a_trainer_s_autocast_leaves_the_encoder_in_float32(folders, wave):
    loaded = load(folders["encoder"], device="cpu", dtype="float16")
    inputs = encode(loaded, [chat_text(loaded, "What is it?")], [wave])
    clips = models.Clips(
        inputs["input_features"], inputs["feature_attention_mask"], torch.zeros(1, 1).long()
    )
    embedded = models.embed_prompts(loaded.model, inputs["input_ids"], clips)
    with torch.autocast("cpu", torch.float16):
        under = models.embed_prompts(loaded.model, inputs["input_ids"], clips)
    assert embedded.isfinite().all() and torch.equal(under, embedded)
    with torch.autocast("cpu", torch.bfloat16), no_half_autocast(CPU):
        assert nn.functional.linear(torch.ones(1, 2), torch.ones(2, 2)).dtype == torch.bfloat16


# --- what is trained in which format ------------------------------------------------------


def test_the_trainer_s_formats_follow_from_the_model():
    def of(dtype: torch.dtype, device: str) -> SimpleNamespace:
        weight = SimpleNamespace(weight=torch.zeros(1, dtype=dtype))
        return SimpleNamespace(device=torch.device(device), get_input_embeddings=lambda: weight)

    full, bf16 = of(torch.float32, "cpu"), of(torch.bfloat16, "cpu")
    assert training_precision(full, 0, "adamw_torch") == {"bf16": False, "fp16": False}
    assert training_precision(bf16, 4, "adamw_torch") == {"bf16": True, "fp16": False}
    half = of(torch.float16, "cuda")
    assert training_precision(half, 4, "adamw_torch") == {"bf16": False, "fp16": True}
    with pytest.raises(UserError, match="optim 'sgd': unknown, choose one of adamw_torch, "):
        training_precision(full, 0, "sgd")


@pytest.mark.parametrize(
    ("dtype", "rank", "message"),
    [
        ("float16", 0, "float16 cannot be trained themselves.*lora_rank"),
        ("bfloat16", 0, "bfloat16 cannot be trained themselves.*lora_rank"),
        ("float16", 4, "float16 needs a GPU"),
    ],
)
def test_unfit_formats_are_refused_before_anything_is_written(
    folders, tmp_path, make_questions, dtype, rank, message
):
    questions = read_questions(make_questions()[0])
    loaded = load(folders["plain"], device="cpu", dtype=dtype)
    for train, settings in ((train_grpo, GRPOSettings), (train_sft, SFTSettings)):
        with pytest.raises(UserError, match=message):
            train(loaded, questions, settings(lora_rank=rank), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- what is not finite ends in one line --------------------------------------------------

SMALL = dict(steps=3, lr=1e-3, save_every=1, seed=0)
METHODS = {
    "sft": (train_sft, SFTSettings(batch_size=2, rows_per_forward=2, **SMALL), sft),
    "grpo": (
        train_grpo,
        GRPOSettings(
            prompts_per_step=2, prompts_per_forward=2, group_size=2, max_completion=4, **SMALL
        ),
        trl_compat,
    ),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_run_whose_loss_is_not_finite_stops_and_names_the_step(
    folders, tmp_path, make_questions, monkeypatch, method
):
    questions, check = read_questions(make_questions()[0]), training.check_loss
    train, settings, module = METHODS[method]
    monkeypatch.setattr(
        module, "check_loss", lambda loss, step: check(loss * math.nan if step == 3 else loss, step)
    )
    with pytest.raises(UserError, match="step 3: the loss: not finite"):
        train(load(folders["plain"], device="cpu"), questions, settings, tmp_path)
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "checkpoint-2" / training.COMPLETE).exists()


def test_weights_that_overflow_end_answering_and_both_trainings(
    folders, tmp_path, make_questions, wave
):
    questions, broken = read_questions(make_questions()[0]), load(folders["plain"], device="cpu")
    with torch.no_grad():
        broken.model.lm_head.weight[5] = torch.inf
    inputs = encode(broken, [chat_text(broken, "What is it?")], [wave])
    with pytest.raises(UserError, match="logits: not finite .*bfloat16 or float32"):
        generate(broken, inputs, greedy_config(broken, 4))
    with pytest.raises(UserError, match="logits: not finite"):
        hearing_check(broken, questions)
    for method, named in (("sft", "step 1: the loss"), ("grpo", "logits")):
        train, settings, _ = METHODS[method]
        with pytest.raises(UserError, match=f"{named}: not finite"):
            train(broken, questions, settings, tmp_path / method)


def test_a_gradient_that_is_not_finite_ends_a_run_but_in_float16_only_a_series(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    arguments = TrainingArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    state = TrainerState(global_step=7, is_world_process_zero=True)

    def log_all(norms: list[float], fp16: bool) -> None:
        log = training.StepLog(tmp_path, "test", dict, None)
        log._last, arguments.fp16 = 0.0, fp16
        for norm in norms:
            log.on_log(arguments, state, TrainerControl(), {"loss": 1.0, "grad_norm": norm})

    with pytest.raises(UserError, match=r"step 7: the gradient is not finite \(its norm is nan\)"):
        log_all([2.0, math.nan], fp16=False)
    rows = read_log(tmp_path / "metrics.jsonl")
    assert [row["grad_norm"] for row in rows] == [2.0, None]
    some = [math.inf] * 16
    log_all([*some, 1.0, *some], fp16=True)
    with pytest.raises(UserError, match="the gradient is not finite"):
        log_all([*some, math.inf], fp16=True)
