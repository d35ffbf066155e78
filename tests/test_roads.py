"""What the trained rows are on either track; that they train is held in tests/experiment."""

import json

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json
from r1aqa_helpers.profiles import PROFILES, TINY_PROFILE
from r1aqa_helpers.roads import LORA_RANK, LORA_RATE, ROADS, pick_road, road_settings


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_all_see_the_profile_s_questions(road, profile):
    settings = road_settings(road, profile, seed=3)
    assert (settings.prompt, settings.seed) == (road.prompt, 3)
    plain = road_settings(ROADS["sft" if road.method == "sft" else "grpo-2"], profile)
    assert settings.steps == plain.steps
    batch = "batch_size" if road.method == "sft" else "prompts_per_step"
    assert getattr(settings, batch) == getattr(plain, batch)
    assert road_settings(road, profile, lr=0.5).lr == 0.5
    if road.prompt == 3 and road.method == "grpo":
        assert settings.max_completion == profile.max_new_tokens


def test_rates_follow_adapters():
    full, lora = (road_settings(ROADS[name], TINY_PROFILE) for name in ("sft", "sft-lora"))
    assert (full.lora_rank, lora.lora_rank) == (0, LORA_RANK)
    assert lora.lr == pytest.approx(LORA_RATE * full.lr) and full.lr == TINY_PROFILE.sft["lr"]
    large = next(p for p in PROFILES.values() if p.sft.get("lora_rank"))
    full, lora = (road_settings(ROADS[name], large) for name in ("sft", "sft-lora"))
    assert lora.lr == large.sft["lr"] and full.lr == pytest.approx(lora.lr / LORA_RATE)


def test_one_thing_differs_between_grpo_s_roads():
    plain = vars(road_settings(ROADS["grpo-2"], TINY_PROFILE))
    for name, expected in (
        ("grpo-3", {"prompt", "max_completion"}),
        ("grpo-text-only", {"text_only"}),
        ("grpo-accuracy-only", set()),
    ):
        other = vars(road_settings(ROADS[name], TINY_PROFILE))
        assert {key for key in plain if plain[key] != other[key]} == expected
    assert [f.__name__ for f in ROADS["grpo-accuracy-only"].rewards] == ["accuracy_reward"]


def test_an_unknown_road_is_refused():
    with pytest.raises(UserError, match="'sft-2': unknown, choose one of sft, sft-lora"):
        pick_road("sft-2")


def command(road, questions, out, model):
    given = ["train", "road", road, "--questions", questions, "--out", out, "--model", model]
    return CliRunner().invoke(
        app, [*map(str, given), "--profile", "tiny", "--steps", "1"], catch_exceptions=False
    )


def test_the_command_trains_a_road(make_questions, random_model_dir, tmp_path):
    train, _ = make_questions(8)
    out = tmp_path / "run"
    done = command("cota", train, out, random_model_dir)
    assert done.exit_code == 1 and "question q" in done.output and "reasoning" in done.output
    assert not (out / "run.json").exists()

    rows = [json.loads(line) for line in train.read_text().splitlines()]
    reasoned = train.with_name("reasoned.jsonl")
    reasoned.write_text("".join(json.dumps({**r, "reasoning": "So it is."}) + "\n" for r in rows))
    done = command("cota", reasoned, out, random_model_dir)
    assert done.exit_code == 0, done.output
    assert (out / "model").is_dir() and read_json(out / "run.json")["settings"]["prompt"] == 3
