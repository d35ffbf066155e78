"""Loading, encoding, decoding and the hearing check, on a random miniature."""

import json
import os
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from r1aqa_helpers import models
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio
from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.models import (
    LoadedModel,
    SeededSampling,
    chat_text,
    choice_logprobs,
    encode,
    generate,
    greedy_config,
    hearing_check,
    load,
    save,
    weights_fingerprint,
)
from r1aqa_helpers.models.generation_config import NEUTRAL
from r1aqa_helpers.models.hearing_check import THRESHOLD
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.utils.errors import UserError

CHOICES = ("dog", "cat", "car", "bell")
#: What Qwen/Qwen2-Audio-7B-Instruct ships.
SHIPPED = dict(do_sample=True, top_p=0.5, top_k=20, temperature=0.7, repetition_penalty=1.1)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * 16_000))
    return (0.1 * samples).astype(np.float32)


def prompt(loaded: LoadedModel, number: int = 2) -> str:
    return chat_text(loaded, build_prompt("What makes the sound?", CHOICES, number))


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return LoadedModel(*random_tiny(0), "random")


@pytest.fixture(scope="module")
def questions(make_questions) -> list[AudioQuestion]:
    return read_questions(make_questions(3)[0])


# --- loading and saving -------------------------------------------------------------------


def test_a_saved_model_loads_with_the_same_logits_in_float32(tiny, random_model_dir, logits):
    again = load(random_model_dir, device="cpu")
    assert again.model.dtype == torch.float32
    assert again.name == str(random_model_dir)
    assert again.processor.tokenizer.padding_side == "left"
    assert again.model.config._attn_implementation == "sdpa"
    assert not again.model.training
    torch.testing.assert_close(logits(again), logits(tiny))
    assert weights_fingerprint(again) == weights_fingerprint(tiny)


def test_half_precision_checkpoints_load_as_float32_on_the_cpu(loaded, tmp_path):
    loaded.model.half()
    save(loaded, tmp_path / "half")
    stored = load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert load(tmp_path / "half", device="cpu").model.dtype == torch.float32
    bf16 = load(tmp_path / "half", device="cpu", dtype="bfloat16")
    assert bf16.model.dtype == torch.bfloat16
    inputs = encode(bf16, [prompt(bf16)], [noise(1)])
    assert inputs["input_features"].dtype == torch.bfloat16


def test_save_replaces_a_model_but_nothing_else(tiny, folder, tmp_path):
    (folder / "old_file.txt").write_text("of the old model")
    save(tiny, folder)
    assert not (folder / "old_file.txt").exists()
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="not a model folder"):
        save(tiny, papers)
    assert (papers / "thesis.txt").read_text() == "years of work"


def test_an_interrupted_save_leaves_the_old_model(tiny, folder, monkeypatch):
    full = Mock(side_effect=OSError("No space left on device"))
    monkeypatch.setattr(tiny.processor, "save_pretrained", full)
    with pytest.raises(UserError, match="No space left"):
        save(tiny, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    load(folder, device="cpu")


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _pipe(name: str):
    def make(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def _edit_config(**fields: object):
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return edit


def _edit_weights(edit):
    def write(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        edit(weights)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return write


def _shard_index(name: str):
    def index(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        content = {"metadata": {}, "weight_map": {"lm_head.weight": name}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(content))

    return index


DAMAGE = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json: no such file"),
    "torn config": (lambda f: (f / "config.json").write_text('{"model_type":'), "not valid JSON"),
    "another model": (_edit_config(model_type="llama"), "model_type is 'llama'"),
    "other window": (
        lambda f: (f / "processor_config.json").write_text(
            (f / "processor_config.json").read_text().replace('length": 4', 'length": 5')
        ),
        "frames, is 500 in",
    ),
    "other audio token": (_edit_config(audio_token_index=5), "audio token is 3 in"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
    "pickled weights": (_pickle, "safetensors"),
    "truncated weights": (_truncate, "missing or truncated"),
    "missing shard": (_shard_index("model-00001-of-00002.safetensors"), "missing or truncated"),
    "shard elsewhere": (_shard_index("../model.safetensors"), "plain file names"),
    "missing key": (
        _edit_weights(lambda w: w.pop("multi_modal_projector.linear.weight")),
        "missing keys, such as model.multi_modal_projector.linear.weight",
    ),
    "unexpected key": (
        _edit_weights(lambda w: w.update(vision_tower=torch.ones(2))),
        "unexpected keys, such as vision_tower",
    ),
    "wrong shape": (
        _edit_weights(lambda w: w.update({"multi_modal_projector.linear.bias": torch.ones(2)})),
        "mismatched keys",
    ),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer"),
    **{
        f"a pipe for {name}": (_pipe(name), f"{name}: is no regular file")
        for name in ("config.json", "generation_config.json", "tokenizer.json", "model.safetensors")
    },
    "no feature extractor": (lambda f: (f / "processor_config.json").unlink(), "extractor"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_folder_is_one_line(folder, case):
    damage, expected = DAMAGE[case]
    damage(folder)
    with pytest.raises(UserError, match=expected) as caught:
        load(folder, device="cpu")
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message


def test_what_looks_like_a_path_is_never_asked_of_the_hub(tmp_path, monkeypatch):
    hub = Mock(side_effect=OSError("cannot connect\nTraceback …"))
    monkeypatch.setattr(models.loading, "hf_hub_download", hub)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    names = ["./model", "/no/such/model", "runs/model", "a/b/c", "model", ""]
    long = ["x" * 5000, "~nobody-of-this-name/model"]
    for name in [*names, *long, Path("owner/model")]:
        with pytest.raises(UserError) as caught:
            load(name, device="cpu")
        assert len(str(caught.value)) < 400
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        load("file", device="cpu")
    assert not hub.called
    with pytest.raises(UserError, match=r"owner/model: .*\(cannot connect\)$"):
        load("owner/model", device="cpu")
    with pytest.raises(UserError, match="device 'tpux'"):
        load("runs", device="tpux")
    with pytest.raises(UserError, match="dtype 'int3'"):
        load("runs", device="cpu", dtype="int3")


def test_a_hub_name_is_fetched_as_safetensors_and_checked(folder, monkeypatch):
    snapshot = Mock(return_value=str(folder))
    monkeypatch.setattr(models.loading, "hf_hub_download", lambda *_: str(folder / "config.json"))
    monkeypatch.setattr(models.loading, "snapshot_download", snapshot)
    assert load("owner/model", device="cpu").name == "owner/model"
    patterns = snapshot.call_args.kwargs["allow_patterns"]
    assert "*.safetensors" in patterns
    assert not any("bin" in pattern or "py" in pattern for pattern in patterns)


# --- encoding -----------------------------------------------------------------------------


def test_a_batch_is_padded_left_and_has_as_many_audio_tokens_as_features(tiny):
    texts = [prompt(tiny, 1), prompt(tiny, 3)]
    inputs = encode(tiny, texts, [noise(4), noise(0.5)])
    assert inputs["input_features"].shape == (2, 128, 400)
    audio_tokens = (inputs["input_ids"] == tiny.model.config.audio_token_id).sum(1).tolist()
    assert audio_tokens == [100, 12]  # 400 and 50 frames, halved twice
    mask = inputs["attention_mask"]
    assert mask[:, -1].tolist() == [1, 1]
    assert mask[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize("samples", [0, 900, 1200])
def test_a_very_short_clip_has_two_audio_tokens_and_one_logit_per_token(tiny, samples):
    inputs = encode(tiny, [prompt(tiny)], [noise(1)[:samples]])
    assert (inputs["input_ids"] == tiny.model.config.audio_token_id).sum() >= 2
    with torch.inference_mode():
        out = tiny.model(**inputs).logits
    assert out.shape[1] == inputs["input_ids"].shape[1]


def test_a_clip_over_the_window_is_refused_not_cut(tiny):
    encode(tiny, [prompt(tiny)], [noise(4)])
    with pytest.raises(ValueError, match="exceeds the window"):
        encode(tiny, [prompt(tiny)], [noise(4.001)])


def test_a_processor_that_drops_the_clip_is_an_error(tiny, questions):
    class WithoutAudio:
        def __init__(self, processor):
            self._processor = processor

        def __getattr__(self, name):
            return getattr(self._processor, name)

        def __call__(self, text, audio, sampling_rate, **kwargs):
            return self._processor.tokenizer(text, **kwargs)

    silent = LoadedModel(tiny.model, WithoutAudio(tiny.processor), "no audio")
    with pytest.raises(UserError, match="no audio features"):
        encode(silent, [prompt(tiny)], [noise(1)])
    with pytest.raises(UserError, match="no audio features"):
        hearing_check(silent, questions)


def test_the_chat_has_one_clip_and_ends_at_the_assistants_turn(tiny):
    assert chat_text(tiny, "What is it?") == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nAudio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nWhat is it?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("token", ["<|AUDIO|>", "<|im_end|>"])
def test_special_tokens_in_a_question_are_refused(tiny, token):
    with pytest.raises(UserError, match="special token"):
        chat_text(tiny, f"What {token} is it?")


# --- decoding -----------------------------------------------------------------------------


def argmax_by_hand(loaded: LoadedModel, text: str, wave: np.ndarray, steps: int) -> list[int]:
    """Greedy decoding without ``generate``: the whole row again at each step, no cache."""
    inputs = encode(loaded, [text], [wave])
    tokens: list[int] = []
    for _ in range(steps):
        with torch.no_grad():
            last = loaded.model(**inputs).logits[0, -1]
        last[loaded.model.config.audio_token_id] = -torch.inf
        token = last.argmax().item()
        tokens.append(token)
        if token in loaded.eos_ids:
            break
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([[token]])], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return tokens


@pytest.mark.parametrize(
    "shipped",
    [
        SHIPPED,
        dict(no_repeat_ngram_size=1, min_new_tokens=12, renormalize_logits=True),
        dict(sequence_bias=[[[50], 100.0]], max_time=1e-9),
    ],
    ids=["qwen2-audio's", "repetition and length", "bias and time"],
)
def test_greedy_answers_owe_nothing_to_the_checkpoints_settings(lively, monkeypatch, shipped):
    loaded = lively
    monkeypatch.setattr(loaded.model, "generation_config", None)
    text, wave, steps = prompt(loaded), noise(2), 10
    tokens = argmax_by_hand(loaded, text, wave, steps)
    loaded.model.generation_config = GenerationConfig(**shipped, eos_token_id=4, pad_token_id=0)
    inputs = encode(loaded, [text], [wave])
    said = loaded.processor.tokenizer.decode(tokens, skip_special_tokens=True)
    assert generate(loaded, inputs, greedy_config(loaded, steps)) == [said]


def test_every_default_of_transformers_is_set_here():
    """A checkpoint's value takes the place of what is None; a new field is to be thought of."""
    ours = {"max_length", "do_sample", *NEUTRAL}
    defaults = GenerationConfig._get_default_generation_params()
    assert {name for name, value in defaults.items() if value is not None} <= ours
    assert set(vars(GenerationConfig())) >= ours


def test_an_audio_token_that_the_model_prefers_is_suppressed(loaded, logits):
    fond = loaded
    audio, embeddings = fond.model.config.audio_token_id, fond.model.get_output_embeddings().weight
    with torch.no_grad():
        embeddings[audio] = 0
        hidden = fond.model.model(**encode(fond, [prompt(fond)], [noise(1)])).last_hidden_state
        embeddings[audio] = 100 * hidden[0, -1]
    assert logits(fond, prompt(fond), noise(1))[0, -1].argmax() == audio
    inputs = encode(fond, [prompt(fond)], [noise(1)])
    with torch.inference_mode():
        out = fond.model.generate(**inputs, generation_config=greedy_config(fond, 4))
    assert audio not in out[0, inputs["input_ids"].shape[1] :]


def test_seeded_sampling_draws_from_the_softmax():
    scores = torch.tensor([[0.0, 1.0, 2.0, -torch.inf]])
    rows, draws = 50, 200
    sampler = SeededSampling(range(rows))
    counts = torch.zeros(4)
    for _ in range(draws):
        drawn = sampler(torch.arange(rows), scores.repeat(rows, 1)).argmax(-1)
        counts += torch.bincount(drawn, minlength=4)
    expected = scores[0].softmax(-1)
    # Five standard errors of a share of 10,000 draws.
    bound = 5 * (expected * (1 - expected) / (rows * draws)).sqrt()
    assert ((counts / (rows * draws) - expected).abs() <= bound).all()


# --- hearing ------------------------------------------------------------------------------


def test_choice_logprobs_equal_the_forced_tokens_mean_logprob(tiny, logits):
    text, wave = prompt(tiny), noise(2)
    found = choice_logprobs(tiny, text, wave, CHOICES)
    for choice, value in zip(CHOICES, found, strict=True):
        answer = tiny.processor.tokenizer(choice + "<|im_end|>").input_ids
        every = logits(tiny, text + choice + "<|im_end|>", wave)[0].log_softmax(-1)
        places = range(len(every) - len(answer) - 1, len(every) - 1)
        wanted = np.mean([every[p, t].item() for p, t in zip(places, answer, strict=True)])
        assert value.item() == pytest.approx(wanted, abs=1e-5)


def test_a_model_that_hears_passes(tiny, questions):
    report = hearing_check(tiny, questions, n=2)
    assert report.n == 2 and report.change > 5 * THRESHOLD
    with pytest.raises(UserError, match="no question"):
        hearing_check(tiny, [])


def test_the_hearing_check_reads_a_prompt_once_and_makes_logits_of_answers_alone(loaded, questions):
    """At 7B a position's logits are 156,032 numbers, and a prompt has hundreds of positions."""
    prompts, rows = [], []
    loaded.model.model.register_forward_hook(lambda *call: prompts.append(call))
    loaded.model.lm_head.register_forward_hook(lambda head, given, out: rows.append(len(out)))
    report = hearing_check(loaded, questions, n=2)
    assert len(prompts) == 2 * report.n  # with the clip, and with silence
    tokenizer = loaded.processor.tokenizer
    answers = [len(tokenizer(choice).input_ids) + 1 for choice in CHOICES]  # and the turn's end
    assert rows == answers * len(prompts)


def silent(questions, folder, count):
    """The first so many of the questions are about silence."""
    save_audio(folder / "silence.wav", np.zeros(SAMPLE_RATE, np.float32))
    return [
        replace(q, audio=folder / "silence.wav") if place < count else q
        for place, q in enumerate(questions)
    ]


@pytest.mark.filterwarnings("ignore:.*is silent")
def test_others_take_the_place_of_silent_clips_in_the_hearing_check(tiny, questions, tmp_path):
    assert len(questions) > 2
    asked = silent(questions, tmp_path, len(questions) - 1)
    report = hearing_check(tiny, asked, n=2)
    assert report.n == 1 and report.change == hearing_check(tiny, asked[-1:]).change > 1e-4
    with pytest.raises(UserError, match="no question has a recording that .*silence"):
        hearing_check(tiny, silent(questions, tmp_path, len(questions)))


def test_a_model_whose_projector_is_zero_does_not_hear(tiny, loaded, questions):
    torch.nn.init.zeros_(loaded.model.model.multi_modal_projector.linear.weight)
    assert weights_fingerprint(loaded) != weights_fingerprint(tiny)
    with pytest.raises(UserError, match="does not hear"):
        hearing_check(loaded, questions)
