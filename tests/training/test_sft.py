"""Supervised fine-tuning: which tokens carry loss, and whole runs of a few steps."""

import copy
import re
import warnings
from dataclasses import replace

import pytest
import torch
from transformers import (
    Qwen2AudioForConditionalGeneration,
    TrainerCallback,
    TrainingArguments,
)

from r1aqa_helpers.data.audio import SAMPLE_RATE, load_audio
from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.models import chat_text, load
from r1aqa_helpers.training import run_schedule
from r1aqa_helpers.training.distributed import on_one_gpu
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.sft import AnswerTrainer, SFTSettings, collate, train_sft
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log

SETTINGS = SFTSettings(steps=4, batch_size=4, rows_per_forward=2, lr=1e-3, save_every=2)


class Gradients(TrainerCallback):
    def __init__(self):
        self.steps = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        named = model.named_parameters()
        self.steps.append({k: p.grad.clone() for k, p in named if p.grad is not None})


def masked_loss(loaded, question):
    """Sum over the answer's tokens, and their number, from the model's own forward."""
    text = chat_text(loaded, build_prompt(question.question, question.choices, 2))
    written = f"<answer>{question.answer}</answer><|im_end|>"
    full = loaded.processor(
        text=[text + written],
        audio=[load_audio(question.audio)],
        sampling_rate=SAMPLE_RATE,
        return_tensors="pt",
    )
    count = len(loaded.processor.tokenizer(written)["input_ids"])
    logits = loaded.model(**{k: full[k] for k in full if k != "num_audio_tokens"}).logits[0]
    answer = full["input_ids"][0, -count:]
    logps = torch.log_softmax(logits[-count - 1 : -1], dim=-1)
    return -logps.gather(-1, answer[:, None]).sum(), count


@pytest.mark.parametrize("rows_per_forward", [1, 2, 4])
def test_loss_is_the_mean_over_the_answers_tokens_of_a_step(
    loaded, questions, tmp_path, monkeypatch, rows_per_forward
):
    settings = replace(SETTINGS, steps=1, rows_per_forward=rows_per_forward)
    original, gradients = copy.deepcopy(loaded), Gradients()

    def watched(trainer, **arguments):
        trainer.args.max_grad_norm = 0.0
        trainer.add_callback(gradients)
        return train(trainer, **arguments)

    train = AnswerTrainer.train
    monkeypatch.setattr(AnswerTrainer, "train", watched)
    train_sft(loaded, questions, settings, tmp_path)

    parts = [masked_loss(original, questions[i]) for i in run_schedule(6, 4, settings.seed)]
    assert len({count for _, count in parts}) > 1, "unequal answers, or a mean of means passes"
    expected = sum(loss for loss, _ in parts) / sum(count for _, count in parts)
    expected.backward()
    logged = read_log(tmp_path / "metrics.jsonl")[0]["loss"]
    assert logged == pytest.approx(expected.item(), abs=1e-5)
    for name, parameter in original.model.named_parameters():
        if parameter.grad is not None:
            difference = (gradients.steps[0][name] - parameter.grad).norm()
            assert difference <= 1e-5 * parameter.grad.norm() + 1e-8, name


def test_only_the_answer_s_tokens_have_a_label(loaded, questions):
    tokenizer = loaded.processor.tokenizer
    written = [f"<answer>{question.answer}</answer><|im_end|>" for question in questions[:3]]
    answers = [tokenizer(text)["input_ids"] for text in written]
    batch = collate([{"prompt_number": i, "answer": a} for i, a in enumerate(answers)])
    for row, text in zip(batch["labels"], written, strict=True):
        assert tokenizer.decode(row[row != -100]) == text
        assert row[0] == -100
    assert loaded.model.config.audio_token_id not in batch["labels"]
    assert batch["prompt_number"].tolist() == [0, 1, 2]


@pytest.fixture
def learnt(loaded, monkeypatch):
    """The texts that have loss, in order."""
    texts, loss = [], AnswerTrainer.compute_loss

    def watched(trainer, model, inputs, **arguments):
        texts.extend(loaded.processor.tokenizer.decode(row[row >= 0]) for row in inputs["labels"])
        return loss(trainer, model, inputs, **arguments)

    monkeypatch.setattr(AnswerTrainer, "compute_loss", watched)
    return texts


def test_prompt_1_learns_the_bare_answer(loaded, questions, tmp_path, learnt):
    train_sft(loaded, questions, replace(SETTINGS, prompt=1, steps=1), tmp_path)
    assert learnt == [
        f"{questions[i].answer}<|im_end|>" for i in run_schedule(len(questions), 4, SETTINGS.seed)
    ]


def test_reasoning_is_learnt_before_the_answer(loaded, questions, tmp_path, learnt):
    settings = replace(SETTINGS, prompt=3, steps=1)
    questions = [replace(q, extra={"reasoning": f" A {{{q.answer}}} is heard."}) for q in questions]
    train_sft(loaded, questions, settings, tmp_path)
    assert learnt == [
        f"<think>A {{{questions[i].answer}}} is heard.</think>"
        f"<answer>{questions[i].answer}</answer><|im_end|>"
        for i in run_schedule(len(questions), 4, settings.seed)
    ]
    others = [replace(q, extra={"reasoning": "Plan: none."}) for q in questions]
    with pytest.raises(UserError, match="a run with another reasoning"):
        train_sft(loaded, others, settings, tmp_path)


@pytest.mark.parametrize("mark", ["</think>", "<|im_end|>"])
def test_reasoning_that_would_end_itself_is_refused(loaded, questions, tmp_path, mark):
    wrong = [replace(questions[0], extra={"reasoning": f"so {mark} it is"})]
    with pytest.raises(UserError, match="question q0: field reasoning: holds"):
        train_sft(loaded, wrong, replace(SETTINGS, prompt=3), tmp_path / "out")


def test_a_completion_is_learnt_as_it_is(loaded, questions, tmp_path, learnt):
    said = " so:  <answer>x</answer>\n"
    asked = [replace(questions[0], extra={"completion": said}), questions[1]]
    train_sft(loaded, asked, replace(SETTINGS, batch_size=2, steps=1), tmp_path / "run")
    plain = f"<answer>{questions[1].answer}</answer>"
    assert sorted(learnt) == sorted(f"{text}<|im_end|>" for text in (said, plain))
    (row,) = read_log(tmp_path / "run" / "metrics.jsonl")
    tokenizer = loaded.processor.tokenizer
    assert row["tokens"] == sum(len(tokenizer(text)["input_ids"]) for text in learnt)
    others = [replace(asked[0], extra={"completion": "x"}), questions[1]]
    with pytest.raises(UserError, match="a run with another completions"):
        train_sft(loaded, others, replace(SETTINGS, batch_size=2, steps=1), tmp_path / "run")
    for text, fault in (("a<|im_end|>", "holds <|im_end|>"), ("", "has no text")):
        wrong = [replace(questions[0], extra={"completion": text})]
        with pytest.raises(UserError, match=f"field completion: {re.escape(fault)}"):
            train_sft(loaded, wrong, SETTINGS, tmp_path / "out")


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(
    loaded, questions, tmp_path, monkeypatch, lora_rank
):
    settings = replace(SETTINGS, lora_rank=lora_rank, lr=1e-2)
    whole = train_sft(copy.deepcopy(loaded), questions, settings, tmp_path / "whole")

    def interrupted(trainer, *arguments, **named):
        if trainer.state.global_step == 3:
            raise KeyboardInterrupt
        return loss(trainer, *arguments, **named)

    loss = AnswerTrainer.compute_loss
    with monkeypatch.context() as patched:
        patched.setattr(AnswerTrainer, "compute_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_sft(copy.deepcopy(loaded), questions, settings, tmp_path / "torn")
    again = train_sft(copy.deepcopy(loaded), questions, settings, tmp_path / "torn")

    expected = load(whole, device="cpu").model.state_dict()
    got, begin = load(again, device="cpu").model.state_dict(), loaded.model.state_dict()
    assert max((expected[key] - begin[key]).abs().max() for key in begin) > 1e-3
    for key in expected:
        torch.testing.assert_close(got[key], expected[key], rtol=0, atol=1e-6)
        if lora_rank and "language_model.layers" not in key:
            assert torch.equal(expected[key], begin[key])
    one, other = (read_log(tmp_path / name / "metrics.jsonl") for name in ("whole", "torn"))
    assert [row["step"] for row in other] == [1, 2, 3, 4]
    assert [row["loss"] for row in other] == pytest.approx([row["loss"] for row in one], abs=1e-5)


def test_it_learns_the_answers(loaded, questions, tmp_path):
    settings = replace(SETTINGS, steps=15, lr=3e-3, save_every=100)
    train_sft(loaded, questions, settings, tmp_path)
    rows = read_log(tmp_path / "metrics.jsonl")
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert rows[0]["lr"] == pytest.approx(3e-3) and rows[-1]["lr"] == pytest.approx(2e-4)
    assert type(loaded.model) is Qwen2AudioForConditionalGeneration and not loaded.model.training


def test_unfit_settings_are_refused_before_anything_is_written(loaded, questions, tmp_path):
    for change, message in (
        ({"prompt": 4}, "prompt 4 has no written answers"),
        ({"prompt": 3}, "question q0: field reasoning: has no text to learn"),
        ({"rows_per_forward": 3}, "4 rows per step .* 3 rows per forward pass"),
    ):
        with pytest.raises(UserError, match=message):
            train_sft(loaded, questions, replace(SETTINGS, **change), tmp_path / "out")
    hidden = [replace(questions[0], id="hidden", answer=None)]
    with pytest.raises(UserError, match="question hidden"):
        train_sft(loaded, hidden, SETTINGS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_minutes_end_a_run_with_a_model_and_the_same_call_goes_on(loaded, questions, tmp_path):
    """Watching sees all steps, those made before, too, and cannot end the run by its faults."""
    for made in (1, 2):
        folder = train_sft(
            copy.deepcopy(loaded), questions, replace(SETTINGS, minutes=0), tmp_path
        )  # fmt: skip
        rows = read_log(tmp_path / "metrics.jsonl")
        assert [row["step"] for row in rows] == list(range(1, made + 1))
        assert load(folder, device="cpu")
    seen, after = [], []

    def watch(row):
        seen.append(row)
        if row["step"] == 3:
            raise OSError("the picture cannot be drawn")

    with pytest.warns(UserWarning, match="watching ended .*the picture cannot be drawn"):
        train_sft(copy.deepcopy(loaded), questions, SETTINGS, tmp_path, watch=watch)
    weights = (folder / "model.safetensors").read_bytes()
    train_sft(copy.deepcopy(loaded), questions, SETTINGS, tmp_path, watch=after.append)  # ended
    rows = read_log(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4] and after == rows and seen == rows[:3]
    assert (folder / "model.safetensors").read_bytes() == weights


def test_one_process_trains_on_one_gpu_and_says_so(tmp_path):
    """A stand-in for two GPUs: what transformers counts before it wraps the model."""
    arguments = TrainingArguments(str(tmp_path), use_cpu=True)
    arguments._n_gpu = 2
    with pytest.warns(UserWarning, match="^training on one of 2 GPUs; .* accelerate launch"):
        assert on_one_gpu(arguments) is arguments
    assert arguments.n_gpu == 1 and arguments.train_batch_size == 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert on_one_gpu(arguments).n_gpu == 1


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_both_trainings_keep_to_one_gpu(loaded, questions, tmp_path, monkeypatch, method):
    """Where transformers sees two, its trainer would spread each batch over them."""
    setup = TrainingArguments.n_gpu
    counted = []

    def two(arguments):
        if not hasattr(arguments, "_asked"):
            arguments._asked = True
            setup.fget(arguments)
            arguments._n_gpu = 2
        counted.append(arguments._n_gpu)
        return arguments._n_gpu

    monkeypatch.setattr(TrainingArguments, "n_gpu", property(two))
    with pytest.warns(UserWarning, match="training on one of 2 GPUs"):
        if method == "sft":
            train_sft(loaded, questions, replace(SETTINGS, steps=1), tmp_path / "run")
        else:
            settings = GRPOSettings(
                steps=1, prompts_per_step=1, group_size=2, max_completion=4, lr=1e-4
            )
            train_grpo(loaded, questions, settings, tmp_path / "run")
    assert counted[0] == 2 and set(counted[1:]) == {1}
