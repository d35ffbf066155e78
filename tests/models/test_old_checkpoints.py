"""Checkpoints as transformers 4 and the Hub have them load in this release, weight by weight."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, Qwen2AudioProcessor

from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.models import (
    LoadedModel,
    chat_text,
    encode,
    generate,
    greedy_config,
    load,
    save,
)
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.utils.errors import UserError

#: What Qwen/Qwen2-Audio-7B-Instruct ships.
SHIPPED = dict(do_sample=True, top_p=0.5, top_k=20, temperature=0.7, repetition_penalty=1.1)
THETA = 12345.0


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """Every weight random, so that one that is left out shows."""
    loaded = LoadedModel(*random_tiny(0), "random")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    loaded.model.config.text_config.rope_parameters["rope_theta"] = THETA
    return loaded


@pytest.fixture(scope="module")
def saved(model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "saved"
    save(model, folder)
    return folder


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def old_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As in transformers 4: audio encoder, projector and a whole language model side by side."""
    renamed = {}
    for name, tensor in weights.items():
        if name.startswith("lm_head."):
            name = "language_model." + name
        elif name.startswith("model.language_model."):
            name = name.replace("model.language_model.", "language_model.model.", 1)
        else:
            name = name.removeprefix("model.")
        renamed[name] = tensor
    return renamed


def write_weights(folder: Path, weights: dict[str, torch.Tensor], shards: int = 1) -> None:
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    if shards == 1:
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return
    index = {}
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = {name: weights[name] for name in names[number::shards]}
        save_file(part, folder / file, {"format": "pt"})
        index |= dict.fromkeys(part, file)
    content = {"metadata": {"total_size": 1}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))


def present_layout(saved: Path, folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    """The names of the classes of this release, as FSDP or DeepSpeed write them."""
    shutil.copytree(saved, folder)
    write_weights(folder, weights)
    return folder


def old_layout(saved: Path, folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    """All that transformers 4.38 to 4.57 wrote in another way."""
    shutil.copytree(saved, folder)
    write_weights(folder, old_names(weights), shards=3)

    def old_config(content) -> None:
        content["torch_dtype"] = content.pop("dtype")
        content |= {"transformers_version": "4.38.1", "ignore_index": -100}
        text = content["text_config"]
        content["vocab_size"] = text["vocab_size"]
        text["rope_theta"] = text.pop("rope_parameters")["rope_theta"]
        for name in ("layer_types", "pad_token_id", "bos_token_id"):
            text.pop(name)
        text |= {"torch_dtype": "bfloat16", "use_mrope": False, "sliding_window": 32768}

    edit(folder / "config.json", old_config)
    extractor = json.loads((folder / "processor_config.json").read_text())["feature_extractor"]
    extractor.pop("dither")
    extractor["processor_class"] = "Qwen2AudioProcessor"
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    (folder / "processor_config.json").unlink()
    (folder / "chat_template.jinja").unlink()
    # The tokenizer's own template knows texts alone; the processor's is built in.
    edit(
        folder / "tokenizer_config.json",
        lambda content: content.update(
            tokenizer_class="PreTrainedTokenizerFast",
            chat_template="{% for message in messages %}{{ message['content'] }}{% endfor %}",
            additional_special_tokens=content.pop("extra_special_tokens"),
        ),
    )
    (folder / "generation_config.json").write_text(json.dumps(SHIPPED))
    return folder


def layout_of_4_49(saved: Path, folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    """The same with the chat template in a file, which knows clips by the key ``audio_url``."""
    old_layout(saved, folder, weights)
    built_in = Qwen2AudioProcessor.default_chat_template.fget(None)
    by_type = " or message['type'] == 'audio' or content['type'] == 'audio'"
    assert by_type in built_in
    stored = {"chat_template": built_in.replace(by_type, "")}
    (folder / "chat_template.json").write_text(json.dumps(stored))
    return folder


def test_a_chat_template_that_drops_the_clip_or_fails_is_one_line(saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    for template, told in (
        ("{% for message in messages %}{{ message['role'] }}{% endfor %}", "has 0 places for a"),
        ("{{ raise_exception('no roles') }}", r"its chat template fails \(no roles\); copy the"),
        ("{% for %}", "its chat template fails"),
    ):
        (folder / "chat_template.jinja").write_text(template)
        with pytest.raises(UserError, match=told):
            load(folder, device="cpu")


@pytest.mark.parametrize("layout", [old_layout, layout_of_4_49, present_layout])
def test_every_weight_of_either_layout_is_used(model, saved, tmp_path, layout):
    weights = model.model.state_dict()
    assert "model.language_model.norm.weight" in weights and "lm_head.weight" in weights
    again = load(layout(saved, tmp_path / "model", weights), device="cpu")
    found = again.model.state_dict()
    assert found.keys() == weights.keys()
    assert [name for name in weights if not torch.equal(found[name], weights[name])] == []
    assert again.model.config.text_config.rope_parameters["rope_theta"] == THETA
    text, wave = build_prompt("What is it?", ("dog", "cat"), 2), np.ones(16_000, np.float32)
    assert chat_text(again, text) == chat_text(model, text)
    inputs, expected = (encode(x, [chat_text(x, text)], [wave]) for x in (again, model))
    assert torch.equal(inputs["input_ids"], expected["input_ids"])
    # Not with `model`, whose table of rotations was made before its theta was changed.
    with torch.inference_mode():
        logits = again.model(**inputs).logits
        wanted = load(saved, device="cpu").model(**expected).logits
    torch.testing.assert_close(logits, wanted)


def test_no_code_of_a_checkpoint_is_run(saved, tmp_path):
    folder, mark = Path(shutil.copytree(saved, tmp_path / "model")), tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w')\n"
    for name in ("evil.py", "custom_generate/generate.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    classes = {
        "AutoConfig": "evil.Config",
        "AutoModel": "evil.Model",
        "AutoTokenizer": ["evil.Tokenizer", None],
        "AutoProcessor": "evil.Processor",
        "AutoFeatureExtractor": "evil.Extractor",
    }
    for name in ("config.json", "tokenizer_config.json", "processor_config.json"):
        edit(folder / name, lambda content: content.update(auto_map=classes))
    loaded = load(folder, device="cpu")
    inputs = encode(loaded, [chat_text(loaded, "What?")], [np.zeros(16_000, np.float32)])
    generate(loaded, inputs, greedy_config(loaded, 2))
    assert not mark.exists()


def test_what_qwen2_audio_ships_for_generation_is_never_inherited(saved, tmp_path):
    """Through load, save and load again; by `generate`, and by transformers from the folder."""
    folder = Path(shutil.copytree(saved, tmp_path / "shipped"))
    (folder / "generation_config.json").write_text(json.dumps(SHIPPED))
    save(load(folder, device="cpu"), tmp_path / "again")

    kept = GenerationConfig.from_pretrained(tmp_path / "again")
    assert (kept.do_sample, kept.repetition_penalty, kept.temperature) == (False, 1.0, 1.0)
    assert (kept.top_p, kept.top_k) == (1.0, 50)
    written = json.loads((tmp_path / "again" / "generation_config.json").read_text())
    assert SHIPPED.keys() <= written.keys()

    plain, again = load(saved, device="cpu"), load(tmp_path / "again", device="cpu")
    waves = [0.1 * np.random.default_rng(n).standard_normal(20_000) for n in range(4)]
    text = chat_text(plain, build_prompt("What is it?", ("dog", "cat"), 2))
    inputs = encode(plain, [text] * 4, [wave.astype(np.float32) for wave in waves])
    expected = generate(plain, inputs, greedy_config(plain, 24))
    assert len(set("".join(expected))) > 4
    assert generate(again, inputs, greedy_config(again, 24)) == expected

    def by_transformers(place: Path) -> list[list[int]]:
        model = type(plain.model).from_pretrained(place)
        torch.manual_seed(0)
        out = model.generate(**inputs, max_new_tokens=24, min_new_tokens=24)
        return out[:, inputs["input_ids"].shape[1] :].tolist()

    assert by_transformers(tmp_path / "again") == by_transformers(saved)
    assert by_transformers(folder) != by_transformers(saved), "or nothing was put to the test"
