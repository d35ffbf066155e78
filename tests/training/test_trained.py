"""Which parameters train: counted as PEFT does, said in a line, kept by saving and loading."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import get_peft_model
from typer.testing import CliRunner

from r1aqa_helpers import models
from r1aqa_helpers.cli import app
from r1aqa_helpers.models import chat_text, encode, load, save
from r1aqa_helpers.models.lora import choose_trained, describe_trained, lora_config
from r1aqa_helpers.training import describe_run
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.sft import SFTSettings, train_sft

WAVE = 0.1 * np.random.default_rng(0).standard_normal(20_000).astype(np.float32)


@pytest.fixture
def loaded(random_model_dir: Path):
    return load(random_model_dir, device="cpu")


def longest(completions, **columns):
    return [float(len(text)) for text in completions]


@pytest.mark.parametrize(
    ("rank", "frozen", "end"),
    [
        (0, False, "all weights, the audio encoder's too"),
        (0, True, "all weights of projector and language model; the audio encoder is frozen"),
        (4, True, "LoRA rank 4 on 14 modules of the language model; the audio encoder is frozen"),
        (4, False, "LoRA rank 4 on 14 modules of the language model and 12 of the audio encoder"),
    ],
)
def test_the_line_counts_what_pytorch_does(loaded, rank, frozen, end):
    total = sum(p.numel() for p in loaded.model.parameters())
    before = describe_trained(loaded.model, rank, frozen)
    choose_trained(loaded.model, rank, frozen)
    model = get_peft_model(loaded.model, lora_config(rank, not frozen)) if rank else loaded.model
    assert describe_trained(model, rank, frozen) == before
    trained = {n: p.numel() for n, p in model.named_parameters() if p.requires_grad}
    found = [float(number) for number in re.findall(r"[\d.]+(?= M)", before)]
    assert found == pytest.approx([sum(trained.values()) / 1e6, total / 1e6], abs=0.006)
    assert before.endswith(f" parameters: {end}")
    assert any("audio_tower" in name for name in trained) == (not frozen)
    assert not any("embed_positions" in name for name in trained)
    if rank:
        assert all(".lora_" in name for name in trained)


def test_the_encoder_is_frozen_by_default_with_lora_and_trains_without():
    for kind in (GRPOSettings, SFTSettings):
        assert not kind().encoder_frozen and kind(lora_rank=4).encoder_frozen
        assert replace(kind(), lora_rank=4).encoder_frozen
        assert not kind(lora_rank=4, freeze_audio_encoder=False).encoder_frozen
        assert kind(freeze_audio_encoder=True).encoder_frozen


@pytest.mark.parametrize("kind", ["grpo", "sft"])
def test_lora_on_the_audio_encoder_learns_and_is_kept(loaded, questions, tmp_path, kind):
    before = {name: p.detach().clone() for name, p in loaded.model.named_parameters()}
    fields = dict(steps=1, lr=1e-2, lora_rank=4, freeze_audio_encoder=False)
    if kind == "grpo":
        sizes = dict(prompts_per_step=2, prompts_per_forward=2, group_size=4, max_completion=4)
        settings = GRPOSettings(**sizes, **fields)
        folder = train_grpo(loaded, questions, settings, tmp_path, [longest])
    else:
        settings = SFTSettings(batch_size=2, **fields)
        folder = train_sft(loaded, questions, settings, tmp_path)
    after = dict(load(folder, device="cpu").model.named_parameters())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    language = [n for n in changed if "language_model.layers" in n]
    encoder = [n for n in changed if "audio_tower.layers" in n]
    assert (len(language), len(encoder)) == (14, 12) and len(changed) == 26
    adapter = load(tmp_path / "adapter", device="cpu")
    for name, parameter in adapter.model.named_parameters():
        torch.testing.assert_close(parameter, after[name], rtol=0, atol=1e-6)


def test_a_run_s_description_knows_a_recording_by_its_content(loaded, questions, tmp_path):
    settings = SFTSettings(steps=1)
    described = describe_run(loaded, questions, settings)
    moved = [replace(q, audio=tmp_path / f"{q.id}.wav") for q in questions]
    for before, after in zip(questions, moved, strict=True):
        after.audio.write_bytes(before.audio.read_bytes())
    assert describe_run(loaded, moved, settings) == described
    moved[0].audio.write_bytes(questions[1].audio.read_bytes())
    assert describe_run(loaded, moved, settings) != described
    assert describe_run(loaded, moved, settings, heard=False)["questions"]


@pytest.mark.parametrize("kind", ["sft", "grpo"])
def test_bad_recordings_are_told_before_the_first_step_and_can_be_left_out(
    kind, random_model_dir, make_questions, tmp_path
):
    questions, _ = make_questions()
    clips, out = questions.parent / "clips", tmp_path / "out"
    (clips / "1.wav").unlink()
    (clips / "4.wav").write_bytes((clips / "4.wav").read_bytes()[:999])
    arguments = ["train", kind, "--questions", questions, "--profile", "tiny", "--steps", 1,
                 "--model", random_model_dir, "--out", out]  # fmt: skip
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 1 and done.stderr.count("\n") == 1
    assert "2 of 6 recordings cannot be used" in done.stderr
    assert "1.wav: no such file" in done.stderr and "4.wav: is damaged" in done.stderr
    assert not (out / "metrics.jsonl").exists()
    with pytest.warns(UserWarning, match="2 of 6 recordings .* 2 questions left out"):
        done = CliRunner().invoke(app, [*map(str, arguments), "--leave-out-bad"])
    assert done.exit_code == 0, done.output


def test_an_adapter_that_has_an_adapter_for_a_base_is_only_merged(loaded, questions, tmp_path):
    settings = SFTSettings(steps=1, batch_size=2, lora_rank=2)
    first = train_sft(loaded, questions, settings, tmp_path / "first").parent
    second = train_sft(load(first / "adapter", "cpu"), questions, settings, tmp_path / "second")
    assert (first / "adapter").is_dir() and not (tmp_path / "second" / "adapter").exists()
    assert load(second, "cpu").model.dtype == torch.float32


def test_a_model_that_the_minutes_ended_is_not_uploaded(
    random_model_dir, make_questions, tmp_path, monkeypatch
):
    pushed = []
    monkeypatch.setattr(models, "check_target", lambda name: None)
    monkeypatch.setattr(models, "push", lambda folder, name, say: pushed.append((folder, name)))
    arguments = ["train", "sft", "--questions", make_questions()[0], "--profile", "tiny",
                 "--model", random_model_dir, "--out", tmp_path, "--steps", 2,
                 "--push-to", "me/mine"]  # fmt: skip
    arguments = list(map(str, arguments))
    result = CliRunner().invoke(app, [*arguments, "--minutes", "0"])
    assert result.exit_code == 0 and pushed == []
    assert "not uploaded: stopped after step 1 of 2" in result.stdout.splitlines()[-1]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert pushed == [(tmp_path / "model", "me/mine")]


@pytest.mark.slow
def test_the_command_line_takes_rank_encoder_minutes_and_an_adapter_s_base(
    random_model_dir, make_questions, tmp_path
):
    other = load(random_model_dir, device="cpu")
    other.model = get_peft_model(other.model, lora_config(2)).eval()
    with torch.no_grad():
        for name, parameter in other.model.named_parameters():
            if ".lora_B" in name:
                parameter.fill_(0.05)
    other.name = "no/such/base"
    save(other, tmp_path / "adapter")
    arguments = ["train", "sft", "--questions", make_questions()[0], "--profile", "tiny",
                 "--model", tmp_path / "adapter", "--out", tmp_path / "run", "--steps", 2,
                 "--lora-rank", 4, "--train-audio-encoder", "--minutes", 0]  # fmt: skip
    missing = CliRunner().invoke(app, list(map(str, arguments)))
    assert missing.exit_code == 1 and "--base" in missing.stderr
    given = [*map(str, arguments), "--base", str(random_model_dir)]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.stderr
    assert "LoRA rank 4 on 14 modules of the language model and 12 of the audio" in result.stdout
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1
    with torch.inference_mode():
        found = [
            one.model(**encode(one, [chat_text(one, "What?")], [WAVE])).logits
            for one in (
                load(tmp_path / "run" / "model", device="cpu"),
                load(tmp_path / "adapter", device="cpu", base=random_model_dir),
                load(random_model_dir, device="cpu"),
            )
        ]
    near, far = (found[0] - found[1]).abs().max(), (found[0] - found[2]).abs().max()
    assert 0 < near < far, "it began at the adapter's merged weights"
