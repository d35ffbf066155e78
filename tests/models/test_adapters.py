"""LoRA adapters: merged exactly, in the names of either release, or refused in one line."""

import importlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from huggingface_hub.errors import RemoteEntryNotFoundError
from peft import LoraConfig, get_peft_model
from peft.import_utils import is_torchao_available
from safetensors.torch import load_file, save_file

from r1aqa_helpers import models
from r1aqa_helpers.models import LoadedModel, load, save
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.utils.errors import UserError


def adapt(base: Path, config: LoraConfig) -> LoadedModel:
    """The base model under an adapter whose weights are far from its zeros."""
    loaded = load(base, device="cpu")
    loaded.model = get_peft_model(loaded.model, config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in loaded.model.named_parameters():
            if ".lora_" in name or "modules_to_save" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return loaded


@pytest.fixture(scope="module")
def base(random_model_dir: Path) -> Path:
    return random_model_dir


@pytest.fixture(scope="module")
def trained(base: Path) -> LoadedModel:
    return adapt(base, lora_config(4))


@pytest.fixture(scope="module")
def saved(trained: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "adapter"
    save(trained, folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the adapter, to be changed."""
    return Path(shutil.copytree(saved, tmp_path / "adapter"))


def set_fields(folder: Path, **fields: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def edit_weights(folder: Path, edit) -> None:
    path = folder / "adapter_model.safetensors"
    save_file(edit(load_file(path)), path, {"format": "pt"})


def old_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As PEFT wrote them over transformers 4."""
    change = (
        ("base_model.model.lm_head", "base_model.model.language_model.lm_head"),
        ("base_model.model.model.language_model.", "base_model.model.language_model.model."),
        ("base_model.model.model.", "base_model.model."),
    )
    renamed = {}
    for name, tensor in weights.items():
        for new, old in change:
            if name.startswith(new):
                name = name.replace(new, old, 1)
                break
        renamed[name] = tensor
    return renamed


def test_a_saved_adapter_is_small_and_loads_merged(base, trained, saved, logits):
    names = {path.name for path in saved.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md"} <= names
    assert not {"config.json", "model.safetensors"} & names
    config = json.loads((saved / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base)
    assert json.loads((saved / "generation_config.json").read_text())["do_sample"] is False

    again = load(saved, device="cpu")
    assert type(again.model).__name__ == "Qwen2AudioForConditionalGeneration"
    assert again.name == str(saved) and not again.model.training
    torch.testing.assert_close(logits(again), logits(trained), atol=1e-4, rtol=1e-4)
    plain = load(base, device="cpu")
    assert (logits(again) - logits(plain)).abs().max() > 0.1
    wanted = {name: p.requires_grad for name, p in plain.model.named_parameters()}
    assert {name: p.requires_grad for name, p in again.model.named_parameters()} == wanted


@pytest.mark.parametrize(
    "config",
    [
        lora_config(4),
        # A bare name means the audio encoder's, too; ranks and alphas of single modules.
        LoraConfig(
            r=4,
            lora_alpha=8,
            use_rslora=True,
            target_modules=["q_proj", "v_proj", "lm_head"],
            rank_pattern={"language_model.layers.1.self_attn.q_proj": 2},
            alpha_pattern={r"audio_tower.layers.\d+.self_attn.v_proj": 32},
        ),
        LoraConfig(
            r=2,
            use_dora=True,
            target_modules=["o_proj"],
            modules_to_save=["multi_modal_projector"],
        ),
    ],
    ids=["language model", "patterns", "dora"],
)
def test_adapters_of_either_release_are_merged_alike(base, tmp_path, logits, config):
    trained = adapt(base, config)
    save(trained, tmp_path / "new")
    old = Path(shutil.copytree(tmp_path / "new", tmp_path / "old"))
    edit_weights(old, old_names)
    pattern = {"language_model.model.layers.1.self_attn.q_proj": 2}
    patterns = pattern if config.rank_pattern else {}
    set_fields(old, rank_pattern=patterns, target_modules=r".*language_model\.model\.layers.*proj")
    wanted = logits(trained)
    for folder in (tmp_path / "new", old):
        found = logits(load(folder, device="cpu"))
        torch.testing.assert_close(found, wanted, atol=2e-4, rtol=1e-4, msg=str(folder))


def test_the_base_can_be_given_or_lie_beside_the_adapter(base, saved, folder, logits):
    set_fields(folder, base_model_name_or_path="no/such/base")
    with pytest.raises(UserError, match=r"its base model cannot be found .*--base") as caught:
        load(folder, device="cpu")
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    wanted = logits(load(saved, device="cpu"))
    assert torch.equal(logits(load(folder, device="cpu", base=base)), wanted)
    shutil.copytree(base, folder.parent / "base")
    set_fields(folder, base_model_name_or_path="../base")
    assert torch.equal(logits(load(folder, device="cpu")), wanted)
    with pytest.raises(UserError, match="not an adapter; give no base"):
        load(base, device="cpu", base=base)


def test_an_adapter_without_a_processor_takes_the_base_s(saved, folder, logits):
    for path in folder.iterdir():
        if not path.name.startswith("adapter_"):
            path.unlink()
    assert torch.equal(logits(load(folder, device="cpu")), logits(load(saved, device="cpu")))


def test_an_adapter_on_the_hub_is_found_where_there_is_no_config(saved, monkeypatch):
    asked = []

    def download(name: str, file: str) -> str:
        asked.append(file)
        if file == "config.json":
            raise RemoteEntryNotFoundError("no such file", response=Mock(headers={}))
        return str(saved / file)

    monkeypatch.setattr(models.loading, "hf_hub_download", download)
    monkeypatch.setattr(models.loading, "snapshot_download", lambda name, **_: str(saved))
    assert load("owner/adapter", device="cpu").name == "owner/adapter"
    assert asked == ["config.json", "adapter_config.json"]


def _drop_one(weights):
    return {n: t for n, t in weights.items() if not re.search(r"layers\.1.*q_proj.lora_A", n)}


def _other_rank(weights):
    return {n: (t[:2] if ".lora_A" in n else t[:, :2]).contiguous() for n, t in weights.items()}


DAMAGE = {
    "no base": (lambda f: set_fields(f, base_model_name_or_path=None), "names no base model"),
    "another kind": (lambda f: set_fields(f, peft_type="IA3"), "peft_type is 'IA3'"),
    "unknown field": (lambda f: set_fields(f, use_qalora=True), "use_qalora True is not supp"),
    "changed base": (lambda f: set_fields(f, init_lora_weights="pissa"), "init_lora_weights"),
    "a list of patterns": (lambda f: set_fields(f, rank_pattern=["x"]), "rank_pattern"),
    # Matched with the names of modules, it would take years.
    "a slow pattern": (lambda f: set_fields(f, rank_pattern={r"(\w+\.?)+!": 2}), "rank_pattern"),
    "repetitions": (lambda f: set_fields(f, alpha_pattern={".*" * 30 + "!": 2}), "alpha_pattern"),
    "biases": (lambda f: set_fields(f, bias="all"), "bias 'all'"),
    "pickled": (
        lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"),
        r"pickled weights, \.bin, are not read",
    ),
    "truncated": (
        lambda f: (f / "adapter_model.safetensors").write_bytes(
            (f / "adapter_model.safetensors").read_bytes()[:-100]
        ),
        "missing or truncated",
    ),
    "no adapter's keys": (
        lambda f: edit_weights(f, lambda w: {n[5:]: t for n, t in w.items()}),
        "not those of a PEFT adapter",
    ),
    "half a module": (
        lambda f: edit_weights(f, _drop_one),
        "1 missing keys, such as .*q_proj.lora_A",
    ),
    "left over": (
        lambda f: edit_weights(f, lambda w: {**w, "base_model.model.x.bias": torch.ones(1)}),
        "1 unexpected keys, such as base_model.model.x.bias",
    ),
    "another rank": (lambda f: edit_weights(f, _other_rank), "cannot be put on .*size mismatch"),
    "not a number": (
        lambda f: edit_weights(f, lambda w: {n: t * torch.nan for n, t in w.items()}),
        r"lora_A\.weight holds values that are not finite",
    ),
    "both": (
        lambda f: shutil.copy(f / "adapter_model.safetensors", f / "model.safetensors"),
        "whole weights",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_adapter_is_one_line(folder, case):
    damage, expected = DAMAGE[case]
    damage(folder)
    with pytest.raises(UserError, match=expected) as caught:
        load(folder, device="cpu")
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


def test_the_base_of_an_adapter_must_be_a_whole_qwen2_audio(saved, folder, tmp_path):
    other = tmp_path / "llama"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="model_type is 'llama'"):
        load(folder, device="cpu", base=other)
    with pytest.raises(UserError, match="is an adapter itself"):
        load(folder, device="cpu", base=saved)


@pytest.fixture
def old_torchao(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in for the torchao 0.10.0 of Colab's image, which PEFT refuses."""
    (tmp_path / "torchao").mkdir()
    (tmp_path / "torchao" / "__init__.py").write_text('__version__ = "0.10.0"\n')
    (tmp_path / "torchao-0.10.0.dist-info").mkdir()
    (tmp_path / "torchao-0.10.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torchao\nVersion: 0.10.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    is_torchao_available.cache_clear()
    yield
    sys.modules.pop("torchao", None)
    is_torchao_available.cache_clear()


def test_an_old_torchao_does_not_keep_lora_from_working(old_torchao, base, saved, capsys):
    adapted = adapt(base, lora_config(4))
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "torchao 0.10.0 is older than PEFT supports: left out here"
    assert any(".lora_" in name for name, _ in adapted.model.named_parameters())
    sys.modules.pop("torchao")  # what `lora_config` did is undone: loading must do it, too
    assert load(saved, device="cpu").model is not None


def test_an_old_torchao_that_is_in_use_is_one_line(old_torchao):
    importlib.import_module("torchao")
    with pytest.raises(UserError, match="torchao 0.10.0.*pip uninstall"):
        lora_config(4)
