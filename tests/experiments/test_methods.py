"""What the compared methods are on either track; that they train is held in tests/experiment."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.experiments.methods import (
    GRPO,
    LORA_RANK,
    LORA_RATE,
    METHODS,
    SFT,
    method_settings,
    random_labels,
)
from r1aqa_helpers.hardware import PROFILES, TINY_PROFILE
from r1aqa_helpers.utils.io import read_json


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_all_see_the_profile_s_questions(profile):
    for method in METHODS.values():
        settings = method_settings(method, profile, seed=3)
        assert (settings.prompt, settings.seed) == (method.prompt, 3)
        plain = method_settings(SFT if method.algorithm == "sft" else GRPO, profile)
        batch = "batch_size" if method.algorithm == "sft" else "prompts_per_step"
        assert settings.steps == plain.steps
        assert getattr(settings, batch) == getattr(plain, batch)
        assert method_settings(method, profile, lr=0.5).lr == 0.5
        if method.prompt == 3 and method.algorithm == "grpo":
            assert settings.max_completion == profile.max_new_tokens


def test_rates_follow_adapters():
    full, lora = (method_settings(METHODS[name], TINY_PROFILE) for name in ("sft", "sft-lora"))
    assert (full.lora_rank, lora.lora_rank) == (0, LORA_RANK)
    assert lora.lr == pytest.approx(LORA_RATE * full.lr) and full.lr == TINY_PROFILE.sft["lr"]
    large = next(p for p in PROFILES.values() if p.sft.get("lora_rank"))
    full, lora = (method_settings(METHODS[name], large) for name in ("sft", "sft-lora"))
    assert lora.lr == large.sft["lr"] and full.lr == pytest.approx(lora.lr / LORA_RATE)
    assert method_settings(SFT, large).lora_rank == large.sft["lora_rank"], "as the profile has it"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grpo-3", {"prompt"}),
        ("grpo-text-only", {"text_only"}),
        ("sft-grpo", set()),
        ("grpo-accuracy-only", set()),
    ],
)
def test_one_thing_differs_between_grpo_s_methods(name, expected):
    plain, other = (vars(method_settings(METHODS[one], TINY_PROFILE)) for one in ("grpo-2", name))
    assert {key for key in plain if plain[key] != other[key]} == expected
    rewards = METHODS[name].rewards or ()
    alone = ["accuracy_reward"] if name == "grpo-accuracy-only" else []
    assert [reward.__name__ for reward in rewards] == alone


def test_who_starts_from_another_comes_after_it_and_trains_as_the_other_grpo_does():
    started = {name: method.start for name, method in METHODS.items() if method.start}
    assert started == {"cold-start": "cota", "sft-grpo": "sft"}
    names = list(METHODS)
    assert all(names.index(start) < names.index(name) for name, start in started.items())
    for name, other in (("cold-start", "grpo-3"), ("sft-grpo", "grpo-2")):
        one, two = (method_settings(METHODS[m], TINY_PROFILE) for m in (name, other))
        assert one == two


def test_random_labels_are_random(yes_questions):
    asked = yes_questions * 20
    drawn = random_labels(asked, 0)
    assert [replace(q, answer="yes") for q in drawn] == asked
    share = sum(q.answer == "yes" for q in drawn) / len(drawn)
    assert share == pytest.approx(0.5, abs=0.05) and random_labels(asked, 0) == drawn
    assert random_labels(asked, 1) != drawn


def test_the_command_trains_a_method(make_questions, random_model_dir, tmp_path):
    train, _ = make_questions(8)
    out = tmp_path / "run"

    def command(questions):
        given = ["train", "method", "cota", "--questions", questions, "--out", out]
        given += ["--model", random_model_dir, "--profile", "tiny", "--steps", 1]
        return CliRunner().invoke(app, list(map(str, given)), catch_exceptions=False)

    done = command(train)
    assert done.exit_code == 1 and "question q" in done.output and "reasoning" in done.output
    assert not (out / "run.json").exists()
    rows = [json.loads(line) for line in train.read_text().splitlines()]
    reasoned = train.with_name("reasoned.jsonl")
    reasoned.write_text("".join(json.dumps({**r, "reasoning": "So it is."}) + "\n" for r in rows))
    done = command(reasoned)
    assert done.exit_code == 0, done.output
    assert (out / "model").is_dir() and read_json(out / "run.json")["settings"]["prompt"] == 3


def test_the_command_asks_for_the_model_to_start_from(make_questions, tmp_path):
    train, _ = make_questions(2)
    given = ["train", "method", "cold-start", "--questions", str(train), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 1 and "that cota trained; name it with --model" in done.output
