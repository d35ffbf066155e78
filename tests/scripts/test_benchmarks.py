"""The benchmarks: that they count correctly, compare the same work, and run; never how fast."""

import copy
import dataclasses
import json
import logging
import runpy
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from full_track_tables import STEPS, full_size_lines, gpu_lines
from torch.utils.flop_counter import FlopCounterMode

from r1aqa_helpers.hardware import flops
from r1aqa_helpers.models import Clips, LoadedModel, audio_states, encode, generation
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.training import quiet
from r1aqa_helpers.training.logprobs import Answers
from r1aqa_helpers.training.logprobs import answer_logps as shipped_logps

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(
    path.name for path in FOLDER.glob("*.py") if path.stem not in ("common", "tensor_memory")
)

# They import one another as scripts do, from their own folder.
sys.path.insert(0, str(FOLDER))
budgets, common, full_size, gpu_7b, reference_trainer = map(
    import_module, ("budgets", "common", "full_size", "gpu_7b", "reference_trainer")
)
sys.path.remove(str(FOLDER))


@pytest.fixture(autouse=True)
def logging_given_back() -> Iterator[None]:
    """A benchmark silences the whole process; the tests after it shall still see what is logged."""
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    questions = common.noise_questions(tmp_path_factory.mktemp("noise"), 2, seconds=0.5)
    return common.prompt_rows(questions, "What makes the sound?")


# --- what they share ----------------------------------------------------------------------


def test_runs_alternate_after_the_warm_up():
    called = []
    sides = {name: lambda name=name: called.append(name) for name in "ab"}
    seconds = common.alternate(sides, runs=3, warmup=2)
    assert "".join(called) == "ab" * 5
    assert {name: len(each) for name, each in seconds.items()} == {"a": 3, "b": 3}
    assert all(second > 0 for each in seconds.values() for second in each)
    with pytest.raises(ValueError, match="0 runs"):
        common.alternate(sides, runs=0)


def test_result_says_what_it_was_measured_on(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    path = common.write_result("some", {"update": 5.25}, n=7, folder=tmp_path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["seed"], found["n"], found["update"]) == (common.SEED, 7, 5.25)
    assert "torch" in found["versions"] and "cores" in found["hardware"]


@pytest.mark.parametrize("tokens", [80, 131])
def test_prompt_is_as_long_as_asked_for(tokens):
    loaded = gpu_7b.build(dataclasses.replace(gpu_7b.GPU, device="meta"))
    assert common.text_tokens(loaded, common.long_prompt(loaded, tokens)) == tokens
    with pytest.raises(ValueError, match="more than 5 tokens"):
        common.long_prompt(loaded, 5)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.syspath_prepend(str(FOLDER))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(FOLDER / name), run_name="__main__")
    assert end.value.code == 0
    assert "usage" in capsys.readouterr().out


# --- counts -------------------------------------------------------------------------------


def counted(work) -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        work()
    return counter.get_total_flops()


def test_encoder_flops_are_what_torch_counts(loaded):
    model, frames = loaded.model, 200
    model.set_attn_implementation("eager")  # as products that the counter knows
    mel = torch.randn(1, 128, frames)

    def work() -> None:
        states, _ = audio_states(model.model.audio_tower, mel, torch.tensor([frames]))
        model.model.multi_modal_projector(states)

    assert counted(work) == pytest.approx(flops.encoder_flops(model.config, frames), rel=0.01)


@pytest.mark.parametrize(("tokens", "logits"), [(50, 0), (120, 120)])
def test_decoder_flops_are_what_torch_counts(loaded, tokens, logits):
    model = loaded.model
    model.set_attn_implementation("eager")
    embedded = torch.randn(1, tokens, model.config.text_config.hidden_size)

    def work() -> None:
        states = model.model.language_model(inputs_embeds=embedded).last_hidden_state
        model.lm_head(states[:, :logits])

    # Eager attention computes all pairs, and masks half of them.
    expected = flops.decoder_flops(model.config, tokens, pairs=tokens**2, logits=logits)
    assert counted(work) == pytest.approx(expected, rel=0.01)


def test_causal_pairs_are_those_of_a_mask():
    assert flops.causal_pairs(7) == torch.ones(7, 7).tril().sum()
    assert flops.causal_pairs(3, past=5) == torch.ones(8, 8).tril()[5:].sum()


def test_published_size_and_encoder():
    config = flops.config_7b()
    assert flops.parameters(config)["total"] / 1e9 == pytest.approx(8.397, abs=5e-4)
    projector = 2 * 750 * 1280 * 4096
    encoder = flops.encoder_flops(config, 3000) - projector
    assert encoder / 1e12 == pytest.approx(2.27, abs=0.005)
    assert flops.cache_bytes_per_token(config) == 2**19
    with pytest.raises(ValueError, match="exceed the window"):
        flops.encoder_flops(config, 3004)


def test_adapter_s_parameters(loaded):
    from peft import get_peft_model

    from r1aqa_helpers.models.lora import lora_config

    model = get_peft_model(loaded.model, lora_config(4))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert flops.lora_parameters(loaded.model.config, 4) == trained


def test_ways_differ_in_what_they_repeat():
    config = flops.config_7b()
    group = flops.Group(size=8, audio=750, text=80, answer=1)
    published, plain, shared = (flops.group_flops(config, group, way) for way in flops.WAYS)
    # With answers of one token a shared pass is one prompt's, and a plain one eight prompts'.
    assert plain["rollout_prefill"] == 8 * shared["rollout_prefill"]
    logits = flops.head_flops(config, 8)
    assert plain["policy_forward"] - logits == 8 * (shared["policy_forward"] - logits)
    assert plain["encoder"] == published["encoder"] == 8 * shared["encoder"]
    assert published["policy_forward"] > plain["policy_forward"]
    for stages in (published, plain, shared):
        assert stages["total"] == sum(n for name, n in stages.items() if name != "total")
        assert stages["decode"] == 0
    frozen = flops.group_flops(config, group, "shared", lora=True)
    assert frozen["encoder"] == shared["encoder"] / 3
    assert shared["policy_forward"] < frozen["policy_backward"] < 1.1 * shared["policy_forward"]


# --- the published trainer ----------------------------------------------------------------


def test_both_trainers_have_the_same_loss_and_gradient(loaded, rows, tmp_path, monkeypatch):
    group, length = 4, 5
    sampled: list[list[int]] = []

    def varied_reward(completion_ids, **columns) -> list[float]:
        sampled[:] = completion_ids
        return reward(completion_ids)

    reward = common.varied_reward
    monkeypatch.setattr(common, "varied_reward", varied_reward)
    published = reference_trainer.PublishedTrainer(
        LoadedModel(copy.deepcopy(loaded.model), loaded.processor, "copy"), group, length
    )
    logs: dict[str, float] = {}
    with quiet():
        trainer = common.audio_trainer(loaded, rows, tmp_path, group, length, max_steps=1)
        trainer.log = lambda values, *unused, **named: logs.update(values)
        for model in (loaded.model, published.loaded.model):  # away from the reference
            torch.manual_seed(1)
            with torch.no_grad():
                for weights in model.parameters():
                    weights.add_(2 * torch.randn_like(weights) * weights.std().nan_to_num(0))
        # The trainer's step changes what it trains; the published one keeps its own copy.
        common.time_steps(trainer)
    assert [len(ids) for ids in sampled] == [length] * group * len(rows)

    total = 0.0
    for number, row in enumerate(rows):
        answers = torch.tensor(sampled[number * group : (number + 1) * group])
        rewards = torch.tensor(reward(answers.tolist()))
        loss = published.loss(published.inputs(row), answers, rewards) / len(rows)
        loss.backward()
        total += loss.item()
    norm = torch.nn.utils.clip_grad_norm_(published.loaded.model.parameters(), 1.0).item()
    assert total > 1e-3  # the divergence from the reference; the advantages' share is 0
    assert logs["loss"] == pytest.approx(total, abs=1e-4)
    assert logs["grad_norm"] == pytest.approx(norm, rel=1e-3)


# --- the 8.4 B architecture ---------------------------------------------------------------


def test_clips_of_the_benchmark_make_the_audio_tokens_that_are_counted(tmp_path):
    from r1aqa_helpers.data.audio import load_audio
    from r1aqa_helpers.models import chat_text

    loaded, scale = LoadedModel(*random_tiny(0), "random"), gpu_7b.DRY
    (question,) = common.noise_questions(tmp_path, 1, scale.clip_seconds)
    text = chat_text(loaded, common.long_prompt(loaded, scale.group.text))
    ids = encode(loaded, [text], [load_audio(question.audio)])["input_ids"]
    assert (ids == loaded.model.config.audio_token_id).sum() == scale.group.audio
    assert ids.numel() == scale.group.prompt


@pytest.fixture(scope="module")
def dry_run() -> dict[str, dict]:
    return gpu_7b.measure(gpu_7b.DRY)


def test_dry_run_goes_through_every_part_and_fills_the_tables(dry_run, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("has a GPU: the real run is started by hand")
    assert dry_run.keys() == gpu_7b.PLAN.keys() and sum(gpu_7b.PLAN.values()) <= 480
    missing = {part: one["failed"] for part, one in dry_run.items() if "failed" in one}
    if find_spec("bitsandbytes") is None:
        assert missing.keys() == {"profile_t4"} and "bitsandbytes" in missing["profile_t4"]
    else:
        assert missing == {}
    common.write_result("gpu_7b", dry_run, n=1, folder=tmp_path)
    (card,) = tmp_path.iterdir()
    written = json.loads(card.read_text(encoding="utf-8"))
    rows = gpu_lines([written])[5:]
    assert len(rows) == 1 + len(STEPS) and all(row.count("|") == 7 for row in rows)
    assert sum("not measured: " in row for row in rows) == len(missing)
    long = dry_run["step_long"]["shared"]["median_seconds"]
    (row,) = (row for row in rows if "long answers" in row)
    assert f"| {gpu_7b.DRY.long} | {long:.2f} |" in row
    measured = budgets.gpu_measured(tmp_path)
    assert measured.keys() | {name.removeprefix("profile_") for name in missing} == {
        "t4", "l4", "a100", "h100"
    }  # fmt: skip
    assert measured["l4"]["memory"]["grpo"]["source"].startswith("measured (")


def test_dry_run_with_compiled_rollouts(monkeypatch):
    monkeypatch.setattr(generation, "_COMPILE", {"backend": "eager", "fullgraph": True})
    generation._compiled_pass.cache_clear()
    found = gpu_7b.measure_compiled(gpu_7b.DRY)
    generation._compiled_pass.cache_clear()
    assert found["answer_tokens"] == gpu_7b.DRY.long
    ours, theirs = (found[mode]["median_seconds"] for mode in ("compiled", "shared"))
    assert found["ratio"] == pytest.approx(theirs / ours)


def test_where_nothing_was_measured_the_tables_say_so():
    (line,) = gpu_lines([])
    assert "not measured" in line and "gpu_7b.py" in line
    (line,) = full_size_lines(None)
    assert "not measured" in line and "full_size.py" in line


def test_a_model_that_cannot_be_built_is_told_in_every_row(tmp_path):
    values = {"load": {"failed": "OutOfMemoryError: 17 GB | more"}}
    common.write_result("gpu_7b", values, n=1, folder=tmp_path)
    (card,) = tmp_path.iterdir()
    rows = gpu_lines([json.loads(card.read_text(encoding="utf-8"))])[5:]
    assert len(rows) == 1 + len(STEPS)
    assert all("not measured: OutOfMemoryError: 17 GB / more" in row for row in rows)
    assert budgets.gpu_measured(tmp_path) == {}


def test_without_the_machine_s_rate_only_the_share_of_it_is_missing(dry_run, tmp_path):
    bench = gpu_7b.Bench(gpu_7b.DRY, tmp_path)  # `matrix` has failed
    figures = bench._mode(1000, [2.0, 4.0, 3.0], 1.0)
    assert (figures["median_seconds"], figures["share_of_peak"]) == (3.0, None)
    about = {"hardware": "a GPU", "date": "today", "n": 1}
    lean = {**dry_run["step_lean"], "shared": figures}
    (row,) = (row for row in gpu_lines([dry_run | about | {"step_lean": lean}]) if "least" in row)
    assert row.endswith("| 3.00 | 1.0 | – |")


def test_a_part_that_would_end_too_late_is_left_out(tmp_path):
    bench = gpu_7b.Bench(gpu_7b.DRY, tmp_path)
    bench.started -= gpu_7b.LIMIT_SECONDS - gpu_7b.PLAN["step_long"] + 1
    bench.part("step_long", lambda: pytest.fail("started"))
    bench.part("matrix", lambda: {"flops_per_second": 1.0})
    assert "may take" in bench.values["step_long"]["left_out"]
    assert bench.values["matrix"]["flops_per_second"] == 1.0


def test_without_a_gpu_nothing_is_written(dry_run, tmp_path, capsys, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("has a GPU: the real run is started by hand")
    monkeypatch.setattr(gpu_7b, "measure", lambda scale: dry_run)
    gpu_7b.main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "no GPU here" in printed and "nothing was written" in printed
    assert list(tmp_path.iterdir()) == []


# --- the full size on CPUs ----------------------------------------------------------------


def test_a_model_is_written_in_shards_loaded_once_and_asked(loaded, tmp_path):
    full_size.write_model(tmp_path, loaded.model.config, loaded.processor, shard="100KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 3
    found = full_size.measure(tmp_path, "bfloat16")
    assert found["weights_bytes"] == 2 * flops.parameters(loaded.model.config)["total"]
    assert found["held_once"] and found["ask"]["seconds"] > 0
    assert found["load"]["anonymous_bytes"] > 10**8, "Python and its libraries are counted"
    about = {"hardware": "h", "date": "d", "answer_tokens": 4, "clip_seconds": 10.0}
    forms = {"bfloat16": found, "nf4": full_size.measure(tmp_path / "none", "nf4")}
    lines = full_size_lines({**about, "margin_bytes": full_size.MARGIN, "forms": forms})
    assert "not measured: " in lines[5] and "Held once (bfloat16)" in lines[-1]


def test_published_logps_are_the_shipped_ones(loaded, rows):
    inputs = reference_trainer.PublishedTrainer(loaded, 2, 4).inputs(rows[0])
    answers = torch.randint(10, 300, (3, 5), generator=torch.Generator().manual_seed(0))
    size = len(answers)
    packed = Answers(
        prompt_ids=inputs["input_ids"].repeat(size, 1),
        prompt_mask=inputs["attention_mask"].repeat(size, 1),
        ids=answers,
        mask=torch.ones_like(answers),
        group=torch.zeros(size, dtype=torch.long),
        clips=Clips(
            inputs["input_features"], inputs["feature_attention_mask"], torch.tensor([[0]])
        ),
    )
    with torch.no_grad():
        ours, _ = shipped_logps(loaded.model, packed)
        published = reference_trainer.answer_logps(loaded.model, inputs, answers)
    assert published.std() > 0.01
    torch.testing.assert_close(published, ours, atol=1e-5, rtol=0)
