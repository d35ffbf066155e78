"""Direct inference from several seeds: mean, interval, spread; and the model's own settings."""

import json
import shutil

import pytest
from transformers import GenerationConfig
from typer.testing import CliRunner

from r1aqa_helpers.answering import answer_questions
from r1aqa_helpers.cli import app
from r1aqa_helpers.models import load
from r1aqa_helpers.models.decoding import shipped_sampling
from r1aqa_helpers.questions import read_questions
from r1aqa_helpers.tiny.data import MODEL


def run(few, out, *more):
    return CliRunner().invoke(
        app, ["sampled", "--profile", "tiny", "--questions", str(few), "--out", str(out), *more]
    )


def test_mean_and_spread_over_seeds(few, tmp_path):
    done = run(few, tmp_path / "out", "--json", "--prompt", "2", "--seeds", "3")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    (row,) = result["rows"]
    accuracies = [one["accuracy"] for one in row["seeds"]]
    assert [one["seed"] for one in row["seeds"]] == result["seeds"] == [0, 1, 2]
    assert row["mean"] == pytest.approx(sum(accuracies) / 3)
    assert row["ci95"][0] <= row["least"] <= row["mean"] <= row["most"] <= row["ci95"][1]
    assert 0 <= row["same_answer"] < 100  # draws differ
    assert result["sampling"] == {"temperature": 1.0} and "pins" in result["provenance"]
    # Again from the journals, in words.
    again = run(few, tmp_path / "out", "--prompt", "2", "--seeds", "3")
    assert f"prompt <2>: mean {row['mean']:.1f} %" in again.stdout
    # Another temperature is another run.
    other = run(few, tmp_path / "out", "--prompt", "2", "--temperature", "0.5")
    assert other.exit_code == 1 and "sampling differs" in other.stderr


def test_a_cold_draw_is_the_greedy_answer(few):
    loaded, asked = load(MODEL, "cpu", "float32"), read_questions(few)
    greedy = answer_questions(loaded, asked, max_new_tokens=16)
    cold = answer_questions(
        loaded, asked, max_new_tokens=16, sample=True, sampling={"temperature": 1e-4}
    )
    narrow = answer_questions(loaded, asked, max_new_tokens=16, sample=True, sampling={"top_k": 1})
    said = [one.response for one in greedy]
    assert [one.response for one in cold] == said == [one.response for one in narrow]
    warm = answer_questions(loaded, asked, max_new_tokens=16, sample=True)
    assert [one.response for one in warm] != said


def test_shipped_settings_are_the_checkpoints_own(few, tmp_path):
    qwen = GenerationConfig(
        do_sample=True, temperature=0.7, top_k=20, top_p=0.5, repetition_penalty=1.1
    )
    assert shipped_sampling(qwen) == {
        "temperature": 0.7, "top_k": 20, "top_p": 0.5, "repetition_penalty": 1.1,
    }  # fmt: skip
    assert shipped_sampling(GenerationConfig(do_sample=False, top_p=0.5)) == {}
    done = run(few, tmp_path, "--shipped")
    assert done.exit_code == 1 and "came with greedy settings" in done.stderr
    both = run(few, tmp_path, "--shipped", "--temperature", "1")
    assert both.exit_code == 1 and "give one of them" in both.stderr


def test_a_checkpoint_that_ships_sampling_is_drawn_from_by_it(few, tmp_path):
    folder = shutil.copytree(MODEL, tmp_path / "model")
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.5}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    done = run(few, tmp_path / "out", "--model", str(folder), "--shipped", "--seeds", "1",
               "--prompt", "2", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["sampling"]["top_k"], result["sampling"]["top_p"]) == (20, 0.5)
    assert result["rows"][0]["deviation"] is None
