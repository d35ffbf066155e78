"""The commands with a model of the 7B model's shapes: its vocabulary, window, files and settings.

What its answers say means nothing; that every way through the code works at these sizes, does.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from test_old_checkpoints import layout_of_4_49
from true_shapes import EMBEDDINGS, GENERATION, SPECIAL, TOKENS, install, with_package
from typer.testing import CliRunner, Result

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.data.audio import TOKENS_PER_SECOND, clip_to_window
from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.hardware import PROFILES, Profile
from r1aqa_helpers.models import LoadedModel, chat_text, encode, load
from r1aqa_helpers.utils.io import read_json, read_log

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
BITSANDBYTES = "bitsandbytes==0.50.2"
#: Of both trainings; a step of GRPO samples two groups.
SETTINGS = {
    "sft": {"steps": 1, "batch_size": 2, "rows_per_forward": 2, "lr": 1e-3},
    "grpo": {
        "steps": 1, "prompts_per_step": 2, "group_size": 2, "prompts_per_forward": 1, "lr": 1e-3,
        "max_completion": 6,
    },
}  # fmt: skip
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def small(true_shapes_dir: Path) -> Profile:
    return Profile(
        name="small",
        model=str(true_shapes_dir),
        device="cpu",
        dtype="float32",
        eval_tokens=4096,
        max_new_tokens=8,
        thinking={"gradient_checkpointing": True},
        **SETTINGS,
    )


@pytest.fixture(scope="module")
def asked(make_questions) -> tuple[Path, Path]:
    return make_questions(6)


@pytest.fixture
def run(small: Profile, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setitem(PROFILES, "small", small)

    def command(*arguments: object) -> Result:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
        return done

    return command


@pytest.fixture(scope="module")
def loaded(true_shapes_dir: Path) -> LoadedModel:
    return load(true_shapes_dir, device="cpu")


def test_sizes_and_tokens_are_those_of_the_7b_model(loaded, true_shapes_dir):
    config, tokenizer = loaded.model.config, loaded.processor.tokenizer
    assert config.text_config.vocab_size == EMBEDDINGS
    assert config.audio_config.num_mel_bins == 128 and loaded.window_seconds == 30
    assert tokenizer.convert_tokens_to_ids(SPECIAL) == list(range(TOKENS, TOKENS + len(SPECIAL)))
    assert loaded.eos_ids == [151_645, 151_643]
    assert loaded.shipped == {name: GENERATION[name] for name in loaded.shipped} and loaded.shipped
    assert len(list(true_shapes_dir.glob("model-*.safetensors"))) > 1
    # Qwen2's tokens for a text, as its own tokenizer gives them.
    assert tokenizer("Hello world, 2024").input_ids == [9707, 1879, 11, 220, 17, 15, 17, 19]
    text = "Ünïcode, 声音,\n\n\t<answer>it's 12</answer>"
    ids = tokenizer(text).input_ids
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("seconds", [0.1, 0.37, 1, 2.5, 5, 10, 17.3, 29.99, 30, 35])
def test_a_clip_has_25_tokens_a_second(loaded, seconds):
    """Qwen2-Audio's technical report (arXiv 2407.10759): a token for 40 ms of sound.

    Exactly: a mel frame for each begun 10 ms, halved by a convolution and by the pooling.
    """
    wave = np.zeros(round(16_000 * seconds), np.float32)
    heard, cut = clip_to_window(wave, loaded.window_seconds)
    assert cut == pytest.approx(max(0, seconds - 30))
    text = chat_text(loaded, build_prompt("What is it?", ("dog", "cat"), 2))
    inputs = encode(loaded, [text], [heard])
    tokens = int((inputs["input_ids"] == loaded.model.config.audio_token_id).sum())
    frames = math.ceil(len(heard) / 160)
    assert tokens == ((frames - 1) // 2 - 1) // 2 + 1
    assert tokens == pytest.approx(TOKENS_PER_SECOND * min(seconds, 30), abs=1)
    with torch.no_grad():
        assert loaded.model(**inputs).logits.shape[-1] == EMBEDDINGS


def test_three_prompts_a_batch_and_float16(run, asked, true_shapes_dir, tmp_path):
    model = ("--model", true_shapes_dir, "--questions", asked[1], "--max-new-tokens", 4)
    for prompt in (1, 2, 3):
        out = tmp_path / f"{prompt}.json"
        run("evaluate", *model, "--prompt", prompt, "--batch-size", 3, "--out", out)
        assert len(read_json(out)) == 6
    run("evaluate", *model, "--dtype", "float16", "--out", tmp_path / "half.json")
    assert read_json(tmp_path / "half.json.about.json")["dtype"] == "float16"


def test_sampled_as_shipped(run, asked, true_shapes_dir, tmp_path):
    out = tmp_path / "sampled.json"
    run(
        *("evaluate", "--model", true_shapes_dir, "--questions", asked[1], "--out", out),
        *("--sample", "--shipped", "--seeds", 2, "--prompt", 1, "--prompt", 3),
        *("--max-new-tokens", 4),
    )
    result = read_json(out)
    assert len(result["rows"]) == 2
    assert result["sampling"] == {
        name: GENERATION[name] for name in ("temperature", "top_k", "top_p", "repetition_penalty")
    }


@pytest.mark.parametrize(
    "way",
    [("sft",), ("grpo",), ("method", "grpo-3"), ("sft", "--lora-rank", 4),
     ("grpo", "--lora-rank", 4)],
    ids=lambda way: " ".join(map(str, way)),
)  # fmt: skip
def test_trained_answers_again_and_can_be_shared(run, asked, tmp_path, way):
    out = tmp_path / "run"
    run("train", *way, "--profile", "small", "--questions", asked[0], "--out", out)
    (row,) = read_log(out / "metrics.jsonl")
    assert np.isfinite(row["loss"])
    said = run("push", out / "model", "--repo", "me/model", "--dry-run").stdout
    assert "model.safetensors" in said and "nothing was sent" in said
    assert "base_model" not in (out / "model" / "README.md").read_text(encoding="utf-8")
    for folder in [out / "model", *out.glob("adapter")]:
        answers = tmp_path / f"{folder.name}.json"
        given = ("--questions", asked[1], "--out", answers, "--max-new-tokens", 4)
        run("evaluate", "--model", folder, *given)
        assert len(read_json(answers)) == 6
    assert (out / "adapter").is_dir() == ("--lora-rank" in way)


def test_the_layout_of_transformers_4_answers_alike(run, asked, loaded, true_shapes_dir, tmp_path):
    whole = tmp_path / "whole"
    loaded.model.save_pretrained(whole)
    loaded.processor.save_pretrained(whole)
    old = layout_of_4_49(whole, tmp_path / "old", loaded.model.state_dict())
    given = ("--questions", asked[1], "--max-new-tokens", 6)
    for name, folder in (("now", true_shapes_dir), ("then", old)):
        run("evaluate", "--model", folder, *given, "--out", tmp_path / f"{name}.json")
    said = [[row["response"] for row in read_json(tmp_path / f"{n}.json")] for n in ("now", "then")]
    assert said[0] == said[1] and len(set(said[0])) > 1


def test_a_server_answers_as_the_command_does(run, serve, asked, true_shapes_dir, tmp_path):
    """Also where the shipped settings would draw the answers."""
    given = ("--model", true_shapes_dir, "--questions", asked[1], "--max-new-tokens", 6)
    run("evaluate", *given, "--out", tmp_path / "here.json")
    with serve(true_shapes_dir) as address:
        run("evaluate", *given, "--endpoint", address, "--out", tmp_path / "there.json")
    here, there = (
        [row["response"] for row in read_json(tmp_path / f"{name}.json")]
        for name in ("here", "there")
    )
    assert here == there and len(set(here)) > 1


#: A command with one more profile.
COMMAND = """
import json, sys
from r1aqa_helpers.hardware import PROFILES, Profile
PROFILES["small"] = Profile(**json.loads(sys.argv.pop(1)))
from r1aqa_helpers.cli import main
main()
"""


@pytest.fixture(scope="module")
def start(small, tmp_path_factory) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a command with LoRA, as a GPU's profile does, in a process that finds bitsandbytes."""
    package = tmp_path_factory.mktemp("package")
    if why_not := install(BITSANDBYTES, package):
        pytest.skip(f"{BITSANDBYTES} cannot be had: {why_not}")
    lora = {"lora_rank": 4, "freeze_audio_encoder": True, "gradient_checkpointing": True}
    with_lora = asdict(small) | {"sft": small.sft | lora, "grpo": small.grpo | lora}

    def run(quantise: str | None, *arguments: object) -> subprocess.CompletedProcess:
        profile = json.dumps(with_lora | {"quantise": quantise})
        return subprocess.run(
            [sys.executable, "-c", COMMAND, profile, *map(str, arguments)],
            cwd=ROOT,
            env=with_package(package),
            capture_output=True,
            text=True,
        )

    return run


def test_in_4_bits_it_trains_and_answers(start, asked, tmp_path):
    def run(*arguments: object) -> str:
        done = start("nf4", *arguments)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    out, questions = tmp_path / "run", ("--profile", "small", "--questions")
    assert "4 bits (NF4)" in run("train", "grpo", *questions, asked[0], "--out", out)
    assert not (out / "model" / "model.safetensors").exists()
    answers = tmp_path / "answers.json"
    run("evaluate", "--model", out / "model", *questions, asked[1], "--out", answers)
    assert len(read_json(answers)) == len(read_questions(asked[1]))


@pytest.mark.parametrize("quantise", [None, "nf4"])
def test_the_main_job_trains_adapters_and_asks_them(start, asked, tmp_path, quantise):
    """Random weights gain nothing, which is said when all is written."""
    files = ("--train", asked[0], "--test", asked[1], "--out", tmp_path)
    done = start(quantise, "reproduce", "--profile", "small", *files)
    assert done.stderr.splitlines()[-1].startswith("error: GRPO did not beat"), done.stderr[-3000:]
    rows = read_json(tmp_path / "results.json")["rows"]
    assert [(row["method"], row["n"]) for row in rows if "train_seconds" in row] == [
        ("sft", 6),
        ("grpo", 6),
    ]
    for method in ("sft", "grpo"):
        whole = tmp_path / method / "model" / "model.safetensors"
        assert whole.exists() == (quantise is None)
