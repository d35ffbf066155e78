"""Loading, encoding, decoding and the listening check, on a random miniature."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GenerationConfig

from r1aqa_helpers import models
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import save_audio
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
    sampling_config,
    save,
    weights_fingerprint,
)
from r1aqa_helpers.models.generation_config import NEUTRAL
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.utils.errors import UserError

CHOICES = ("dog", "cat", "car", "bell")
#: What Qwen/Qwen2-Audio-7B-Instruct ships.
SHIPPED = dict(do_sample=True, top_p=0.5, top_k=20, temperature=0.7, repetition_penalty=1.1)


def make_tiny(seed: int = 0) -> LoadedModel:
    return LoadedModel(*random_tiny(seed), "random")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * 16_000))
    return (0.1 * samples).astype(np.float32)


def prompt(loaded: LoadedModel, number: int = 2) -> str:
    return chat_text(loaded, build_prompt("What makes the sound?", CHOICES, number))


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return make_tiny()


@pytest.fixture(scope="module")
def saved(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "my model"
    save(tiny, folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved model, to be damaged."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[AudioQuestion]:
    place = tmp_path_factory.mktemp("clips")
    made = []
    for number in range(3):
        audio = place / f"{number}.wav"
        save_audio(audio, noise(1 + number, seed=number))
        made.append(AudioQuestion(str(number), audio, "What makes the sound?", CHOICES, "dog"))
    return made


def logits(loaded: LoadedModel, text: str, wave: np.ndarray) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(**encode(loaded, [text], [wave])).logits


# --- loading and saving -------------------------------------------------------------------


def test_a_saved_model_loads_with_the_same_logits_in_float32(tiny, saved):
    again = load(saved, device="cpu")
    assert again.model.dtype == torch.float32
    assert again.name == str(saved)
    assert again.processor.tokenizer.padding_side == "left"
    assert again.model.config._attn_implementation == "sdpa"
    assert not again.model.training
    text, wave = prompt(tiny), noise(2)
    torch.testing.assert_close(logits(again, text, wave), logits(tiny, text, wave))
    assert weights_fingerprint(again) == weights_fingerprint(tiny)


def test_weights_of_either_layout_load(tiny, folder):
    """transformers 4 and the Hub: ``language_model.model``; 5: ``model.language_model``."""
    weights = load_file(folder / "model.safetensors")
    assert "language_model.model.norm.weight" in weights
    new = {
        f"model.{name}".replace("model.language_model.lm_head", "lm_head").replace(
            "language_model.model", "language_model"
        ): tensor
        for name, tensor in weights.items()
    }
    assert "model.language_model.norm.weight" in new
    save_file(new, folder / "model.safetensors", {"format": "pt"})
    again = load(folder, device="cpu")
    assert weights_fingerprint(again) == weights_fingerprint(tiny)


def test_half_precision_checkpoints_load_as_float32_on_the_cpu(tiny, tmp_path):
    half = make_tiny()
    half.model.half()
    save(half, tmp_path / "half")
    stored = load_file(tmp_path / "half" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert load(tmp_path / "half", device="cpu").model.dtype == torch.float32
    bf16 = load(tmp_path / "half", device="cpu", dtype="bfloat16")
    assert bf16.model.dtype == torch.bfloat16
    inputs = encode(bf16, [prompt(bf16)], [noise(1)])
    assert inputs["input_features"].dtype == torch.bfloat16


def test_a_loaded_model_and_its_files_decode_greedily(folder):
    path = folder / "generation_config.json"
    assert json.loads(path.read_text())["do_sample"] is False
    path.write_text(json.dumps(SHIPPED))
    config = load(folder, device="cpu").model.generation_config
    assert config.do_sample is False
    assert config.repetition_penalty == 1.0


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
    def full(*args, **kwargs):
        raise OSError("No space left on device")

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


def _other_window(folder: Path) -> None:
    path = folder / "processor_config.json"
    path.write_text(path.read_text().replace('"chunk_length": 4', '"chunk_length": 5'))


DAMAGE = {
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "torn config": (lambda f: (f / "config.json").write_text('{"model_type":'), "not valid JSON"),
    "another model": (_edit_config(model_type="llama"), "model_type is 'llama'"),
    "impossible config": (_edit_config(text_config={"hidden_size": "x"}), "no Qwen2-Audio conf"),
    "other audio token": (_edit_config(audio_token_index=5), "audio token is 3"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
    "pickled weights": (_pickle, "safetensors"),
    "truncated weights": (_truncate, "missing or truncated"),
    "missing shard": (_shard_index("model-00001-of-00002.safetensors"), "missing or truncated"),
    "shard elsewhere": (_shard_index("../model.safetensors"), "no plain file name"),
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
    "no feature extractor": (lambda f: (f / "processor_config.json").unlink(), "extractor"),
    "other window": (_other_window, "500 frames"),
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
    def called(*args, **kwargs):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(models.loading, "hf_hub_download", called)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    names = ["./model", "/no/such/model", "runs/model", "a/b/c", "../up", "model", "a\\b", ""]
    for name in [*names, Path("owner/model")]:
        with pytest.raises(UserError):
            load(name, device="cpu")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        load("file", device="cpu")


def test_a_hub_name_is_fetched_as_safetensors_and_checked(saved, monkeypatch):
    asked = {}

    def snapshot(name, allow_patterns):
        asked[name] = allow_patterns
        return str(saved)

    monkeypatch.setattr(models.loading, "hf_hub_download", lambda *_: str(saved / "config.json"))
    monkeypatch.setattr(models.loading, "snapshot_download", snapshot)
    assert load("owner/model", device="cpu").name == "owner/model"
    (patterns,) = asked.values()
    assert "*.safetensors" in patterns
    assert not any("bin" in pattern or "py" in pattern for pattern in patterns)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("cannot connect\nTraceback …")

    monkeypatch.setattr(models.loading, "hf_hub_download", offline)
    with pytest.raises(UserError, match=r"owner/model: .*\(cannot connect\)$"):
        load("owner/model", device="cpu")


def test_unknown_device_and_dtype_are_one_line(saved):
    with pytest.raises(UserError, match="device 'tpux'"):
        load(saved, device="tpux")
    with pytest.raises(UserError, match="dtype 'int3'"):
        load(saved, device="cpu", dtype="int3")


def test_the_fingerprint_sees_training(tiny):
    trained = make_tiny()
    assert weights_fingerprint(trained) == weights_fingerprint(tiny)
    with torch.no_grad():
        trained.model.model.multi_modal_projector.linear.bias.add_(1e-6)
    assert weights_fingerprint(trained) != weights_fingerprint(tiny)


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


@pytest.mark.parametrize("samples", [0, 1, 160, 900, 1200])
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
    class Deaf:
        def __init__(self, processor):
            self._processor = processor

        def __getattr__(self, name):
            return getattr(self._processor, name)

        def __call__(self, text, audio, sampling_rate, **kwargs):
            return self._processor.tokenizer(text, **kwargs)

    deaf = LoadedModel(tiny.model, Deaf(tiny.processor), "deaf")
    with pytest.raises(UserError, match="no audio features"):
        encode(deaf, [prompt(tiny)], [noise(1)])
    with pytest.raises(UserError, match="no audio features"):
        hearing_check(deaf, questions)


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
    """Greedy decoding without ``generate``: the whole row anew at each step, no cache."""
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


def decode(loaded: LoadedModel, tokens: list[int]) -> str:
    return loaded.processor.tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )


def lively_tiny() -> LoadedModel:
    """A miniature whose next token depends on what came before, so that answers vary."""
    lively = make_tiny()
    with torch.no_grad():
        for weight in lively.model.parameters():
            if weight.ndim == 2:
                weight.mul_(8)
    return lively


@pytest.mark.parametrize(
    "shipped",
    [
        SHIPPED,
        dict(no_repeat_ngram_size=1, min_new_tokens=12, renormalize_logits=True),
        dict(bad_words_ids=[[number] for number in range(10, 200)]),
        dict(forced_eos_token_id=2, begin_suppress_tokens=list(range(300))),
        dict(sequence_bias=[[[50], 100.0]], max_time=1e-9),
    ],
    ids=["qwen2-audio's", "repetition and length", "bad words", "forced", "bias and time"],
)
def test_greedy_answers_owe_nothing_to_the_checkpoints_settings(shipped):
    loaded = lively_tiny()
    text, wave, steps = prompt(loaded), noise(2), 10
    tokens = argmax_by_hand(loaded, text, wave, steps)
    loaded.model.generation_config = GenerationConfig(**shipped, eos_token_id=4, pad_token_id=0)
    inputs = encode(loaded, [text], [wave])
    assert generate(loaded, inputs, greedy_config(loaded, steps)) == [decode(loaded, tokens)]


def test_the_checkpoints_settings_would_have_changed_the_answer():
    """Or the test above could not fail."""
    loaded = lively_tiny()
    text, wave, steps = prompt(loaded), noise(2), 10
    tokens = argmax_by_hand(loaded, text, wave, steps)
    assert len(set(tokens)) > 1
    loaded.model.generation_config = GenerationConfig(**SHIPPED, pad_token_id=0)
    inputs = encode(loaded, [text], [wave])
    bare = GenerationConfig(do_sample=False, max_new_tokens=steps, eos_token_id=loaded.eos_ids)
    out = loaded.model.generate(**inputs, generation_config=bare)
    assert out[0, inputs["input_ids"].shape[1] :].tolist() != tokens


def test_every_default_of_transformers_is_set_here():
    """A checkpoint's value takes the place of what is None; a new field is to be thought of."""
    ours = {"max_length", "do_sample", *NEUTRAL}
    defaults = GenerationConfig._get_default_generation_params()
    assert {name for name, value in defaults.items() if value is not None} <= ours
    assert set(vars(GenerationConfig())) >= ours


@pytest.mark.slow
def test_generating_warns_of_nothing():
    script = (
        "from r1aqa_helpers.models import *; from r1aqa_helpers.tiny.build import random_tiny;"
        "import numpy as np; loaded = LoadedModel(*random_tiny(), 'random');"
        "inputs = encode(loaded, [chat_text(loaded, 'What?')], [np.zeros(16000, 'float32')]);"
        "generate(loaded, inputs, greedy_config(loaded, 2));"
        "generate(loaded, inputs, sampling_config(loaded, 2))"
    )
    # A process of its own: transformers gives most warnings once only.
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stderr == ""


def test_answers_stop_at_either_end_and_never_hold_an_audio_token(tiny):
    vocabulary = tiny.processor.tokenizer.get_vocab()
    ends = {vocabulary["<|im_end|>"], vocabulary["<|endoftext|>"]}
    for config in (greedy_config(tiny, 7), sampling_config(tiny, 7, temperature=0.5)):
        assert set(config.eos_token_id) == ends
        assert config.suppress_tokens == [vocabulary["<|AUDIO|>"]]
        assert config.max_new_tokens == 7
    sampling = sampling_config(tiny, 7, temperature=0.5)
    assert (sampling.do_sample, sampling.temperature, sampling.top_k) == (True, 0.5, 0)
    assert sampling.top_p == 1.0


def test_an_audio_token_that_the_model_prefers_is_suppressed(tiny):
    fond = make_tiny()
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


# --- listening ----------------------------------------------------------------------------


def test_choice_logprobs_equal_the_forced_tokens_mean_logprob(tiny):
    text, wave = prompt(tiny), noise(2)
    found = choice_logprobs(tiny, text, wave, CHOICES)
    for choice, value in zip(CHOICES, found, strict=True):
        answer = tiny.processor.tokenizer(choice + "<|im_end|>").input_ids
        every = logits(tiny, text + choice + "<|im_end|>", wave)[0].log_softmax(-1)
        places = range(len(every) - len(answer) - 1, len(every) - 1)
        wanted = np.mean([every[p, t].item() for p, t in zip(places, answer, strict=True)])
        assert value.item() == pytest.approx(wanted, abs=1e-5)


def test_a_model_with_ears_passes(tiny, questions):
    report = hearing_check(tiny, questions, n=2)
    assert report.n == 2
    assert report.change > 1e-3
    assert hearing_check(tiny, questions).n == 3


def test_a_model_whose_projector_is_dead_does_not_hear(questions):
    deaf = make_tiny()
    torch.nn.init.zeros_(deaf.model.model.multi_modal_projector.linear.weight)
    with pytest.raises(UserError, match="does not hear"):
        hearing_check(deaf, questions)


def test_a_model_that_computes_nan_does_not_pass(questions):
    broken = make_tiny()
    torch.nn.init.constant_(broken.model.model.multi_modal_projector.linear.bias, torch.nan)
    with pytest.raises(UserError, match="model random: its logits: not finite"):
        hearing_check(broken, questions)


def test_without_questions_nothing_can_be_checked(tiny):
    with pytest.raises(UserError, match="no question"):
        hearing_check(tiny, [])
