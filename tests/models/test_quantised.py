"""Weights in 4 bits: answered with, trained on with LoRA, saved and loaded, on the CPU.

bitsandbytes is an extra: what needs it runs once, in an environment laid over this one.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from r1aqa_helpers.models import load, precision
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY

ROOT = Path(__file__).resolve().parents[2]
MINUTES = 15


@pytest.fixture(scope="module")
def report(make_questions, python_with, tmp_path_factory) -> dict[str, Any]:
    """What the worker did with the shipped model."""
    out = tmp_path_factory.mktemp("quantised")
    worker = Path(__file__).with_name("quantised_worker.py")
    python, questions = python_with("bitsandbytes"), make_questions()[0]
    run = subprocess.run(
        [*python, *map(str, (worker, TINY / "model", questions, out))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 * MINUTES,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    line = next(line for line in run.stdout.splitlines() if line.startswith("REPORT "))
    return json.loads(line.removeprefix("REPORT "))


@pytest.mark.slow
def test_what_is_quantised_is_what_costs_count(report):
    found = report["precision"]
    assert found["weights"] == found["weights by costs"]
    # A layer's last block of scales is counted as a part, and stored as a whole.
    assert found["bytes"] == pytest.approx(found["bytes by costs"], rel=1e-3)
    assert found["blocks"] == [["nf4", 64, 256]] and not found["head in 4 bits"]


@pytest.mark.slow
def test_answers_are_close_to_those_of_all_bits(report):
    """NF4 changes each weight by about a tenth of its block's standard deviation.

    The tiny model's layers, of 192 inputs, average little of that away: 0.16 nats per token were
    measured here (0.6 is what the clip itself is worth). Twice that would be another rounding.
    """
    found = report["precision"]
    assert 0.01 < found["mean difference"] < 0.32
    assert found["heard"] > 0.3
    assert found["packing"] < 1e-4 and found["rollouts alike"]
    assert found["fingerprint stands"]


@pytest.mark.slow
def test_float16_computes_with_4_bits_as_float32_does(report):
    found = report["precision"]
    assert found["half encoder computes in float32"] and found["half language computes in float16"]
    assert 0 < found["half difference"] < 12 * torch.finfo(torch.float16).eps * 20  # of 20 nats


@pytest.mark.parametrize("kind", ["sft", "grpo with encoder"])
@pytest.mark.slow
def test_a_step_changes_the_adapter_alone_and_its_folder_gives_it_back(report, kind):
    found, layers = report[kind], load(TINY / "model", device="cpu").model.config.text_config
    modules = 7 * layers.num_hidden_layers
    assert found["same base"]
    assert found["encoder"] == (24 if kind == "grpo with encoder" else 0)
    assert found["moved"] == found["added"] == modules + found["encoder"]
    assert found["dtypes"] == ["torch.float32"]
    assert found["files"] == ["adapter_model.safetensors"]
    assert found["in 4 bits"]
    assert found["equal"], "base in 4 bits and adapter are what was trained, bit for bit"
    assert found["gain"] > 0.1, "or the step changed nothing"
    # Merged into all bits of the base it is as far from that as the base's own rounding is.
    assert 0.01 < found["merged"] < 0.4
    assert "base in 4 bits | yes, NF4" in found["card"]
    assert f"LoRA rank 4 on {modules} modules of the language model" in found["card"]


@pytest.mark.slow
def test_what_4_bits_cannot_do_is_refused_in_a_line(report):
    found = report["refusals"]
    assert "cannot be trained themselves; set lora_rank" in found["full"]
    assert "an adapter on a base in 4 bits, which cannot be merged" in found["on top"]
    assert "is not saved; save the adapter" in found["save"]
    assert "no 4-bit weights for device meta; use cuda or cpu" in found["device"]
    assert not report["written"], "a refusal leaves no folder behind"


@pytest.mark.slow
def test_a_step_of_8_bit_adamw(report):
    model = load(TINY / "model", device="cpu").model
    # The encoder's positions are sines, and stay.
    trained = sum("embed_positions" not in name for name, _ in model.named_parameters())
    assert report["8-bit"] == {"said": "", "changed": trained}


# --- without bitsandbytes -----------------------------------------------------------------


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "find_spec", lambda name: None)


def test_without_bitsandbytes_a_line_says_how_to_get_it(without, random_model_dir):
    with pytest.raises(UserError, match=r"quantise nf4: bitsandbytes is not installed; .*pip inst"):
        load(random_model_dir, device="cpu", quantise="nf4")
    with pytest.raises(UserError, match="quantise 'int3': unknown, use nf4"):
        load(random_model_dir, device="cpu", quantise="int3")
    model = load(random_model_dir, device="cpu").model
    advice = r"optim adamw_bnb_8bit: .*pip install bitsandbytes, .*quantised\), or use adamw_torch"
    with pytest.raises(UserError, match=advice):
        precision.training_precision(model, 0, "adamw_bnb_8bit")
