"""``r1aqa evaluate``: a profile's precision, and sampling from several seeds."""

import json
import shutil

import pytest
from transformers import GenerationConfig
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.models import load
from r1aqa_helpers.models.generation_config import shipped_sampling
from r1aqa_helpers.tiny.data import MODEL
from r1aqa_helpers.utils.io import read_json, write_json


def run(questions, out, *more, model=MODEL):
    arguments = ["evaluate", "--questions", questions, "--out", out, "--model", model, *more]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_profile_loads_and_asks_as_it_trains(few, tmp_path, monkeypatch):
    loaded = []

    def watched(*arguments):
        loaded.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("r1aqa_helpers.models.loading.load", watched)
    assert run(few, tmp_path / "p.json", "--profile", "t4").exit_code == 130
    ((_, _, dtype, _, quantise),) = loaded
    t4 = PROFILES["t4"]
    assert (dtype, quantise) == (t4.dtype, t4.quantise) and quantise
    monkeypatch.undo()
    done = run(few, tmp_path / "p.json", "--profile", "tiny")
    assert done.exit_code == 0, done.output
    assert read_json(tmp_path / "p.json.about.json")["profile"] == "tiny"
    header = json.loads((tmp_path / "p.json.log.jsonl").read_text().splitlines()[0])
    assert header["max_new_tokens"] == PROFILES["tiny"].max_new_tokens
    assert run(few, tmp_path / "q.json", "--profile", "none").exit_code == 1


def test_a_number_format_for_evaluate_and_ask_also_in_place_of_the_profiles(few, tmp_path):
    done = run(few, tmp_path / "p.json", "--dtype", "bfloat16", "--max-new-tokens", 4)
    assert done.exit_code == 0, done.output
    assert read_json(tmp_path / "p.json.about.json")["dtype"] == "bfloat16"
    header = json.loads((tmp_path / "p.json.log.jsonl").read_text().splitlines()[0])
    assert header["dtype"] == "torch.bfloat16"
    done = run(few, tmp_path / "q.json", "--dtype", "int3")
    assert done.exit_code == 1 and "dtype 'int3': unknown" in done.stderr


def test_ask_loads_as_a_profile_does(few, monkeypatch):
    loaded = []

    def watched(*arguments):
        loaded.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("r1aqa_helpers.models.loading.load", watched)
    audio = str(read_questions(few)[0].audio)
    asked = ["ask", "--audio", audio, "--question", "What?", "--choices", "a", "b"]
    for more, expected in (
        (("--profile", "t4"), (PROFILES["t4"].model, "cuda", "float16", None, "nf4")),
        (("--profile", "l4", "--dtype", "float16", "--model", "m"),
         ("m", "cuda", "float16", None, None)),
    ):  # fmt: skip
        assert CliRunner().invoke(app, [*asked, *more]).exit_code == 130
        assert loaded.pop() == expected


def test_mean_and_deviation_over_seeds(few, tmp_path):
    out = tmp_path / "sampled.json"
    arguments = (few, out, "--sample", "--seeds", 3, "--prompt", 1, "--prompt", 2,
                 "--profile", "tiny")  # fmt: skip
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    result = read_json(out)
    row = result["rows"][1]
    accuracies = [one["accuracy"] for one in row["seeds"]]
    assert [one["seed"] for one in row["seeds"]] == result["seeds"] == [0, 1, 2]
    assert row["mean"] == pytest.approx(sum(accuracies) / 3)
    assert row["ci95"][0] <= row["least"] <= row["mean"] <= row["most"] <= row["ci95"][1]
    assert 0 <= row["same_answer"] < 100  # draws differ
    assert result["sampling"] == {"temperature": 1.0} and "pins" in result["provenance"]
    logs = {path: path.read_bytes() for path in tmp_path.glob("*.log.jsonl")}
    assert len(logs) == 6
    again = run(*arguments)
    assert again.exit_code == 0
    assert read_json(out)["rows"] == result["rows"]
    assert all(path.read_bytes() == then for path, then in logs.items())  # nothing asked again


def test_a_cold_draw_is_the_greedy_answer(few):
    loaded, asked = load(MODEL, "cpu", "float32"), read_questions(few)

    def said(**options):
        answers = answer_questions(loaded, asked, max_new_tokens=16, **options)
        return [one.response for one in answers]

    greedy = said()
    assert said(sample=True, sampling={"temperature": 1e-4}) == greedy
    assert said(sample=True, sampling={"top_k": 1}) == greedy
    assert said(sample=True) != greedy


def test_a_checkpoint_that_ships_sampling_is_drawn_from_by_it(few, tmp_path):
    qwen = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.5}
    assert shipped_sampling(GenerationConfig(**qwen, repetition_penalty=1.1)) == {
        "temperature": 0.7, "top_k": 20, "top_p": 0.5, "repetition_penalty": 1.1,
    }  # fmt: skip
    assert shipped_sampling(GenerationConfig(do_sample=False, top_p=0.5)) == {}
    folder = shutil.copytree(MODEL, tmp_path / "model")
    settings = read_json(folder / "generation_config.json") | qwen
    (folder / "generation_config.json").write_text(json.dumps(settings))
    out = tmp_path / "sampled.json"
    done = run(few, out, "--sample", "--shipped", "--seeds", 1, model=folder)
    assert done.exit_code == 0, done.output
    result = read_json(out)
    assert (result["sampling"]["top_k"], result["sampling"]["top_p"]) == (20, 0.5)
    assert result["rows"][0]["deviation"] is None


@pytest.mark.parametrize(
    "more, message",
    [
        (["--seeds", 2], "for --sample"),
        (["--sample", "--prompt", 1, "--prompt", 2], "--seeds"),
        (["--sample", "--shipped"], "greedy settings"),
        (["--concurrency", 2], "are for --endpoint"),
        (["--endpoint", "http://localhost:1", "--profile", "t4"], "for a local model"),
        (["--endpoint", "http://localhost:1", "--sample"], "for a local model"),
    ],
)
def test_options_that_do_not_fit_are_refused(few, tmp_path, more, message):
    done = run(few, tmp_path / "p.json", *more)
    assert done.exit_code == 1 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [(), ("--sample", "--seeds", 1)])
def test_missing_answers_are_counted_and_in_the_exit_status(few, tmp_path, more):
    questions, out = tmp_path / "test.json", tmp_path / "p.json"
    rows = read_json(few)
    rows[0]["audio_id"] = str(tmp_path / "missing.wav")
    write_json(questions, [{**row, "audio_id": str(few.parent / row["audio_id"])} for row in rows])
    with pytest.warns(UserWarning, match="missing.wav: no such file"):
        done = run(questions, out, "--profile", "tiny", *more)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"error: {out}: 1 of 12 answers are missing and count as wrong"
    )
    if not more:
        assert len(read_json(out)) == 11 and "1 without a prediction" in done.stdout
