"""The command ``r1aqa cascade`` on the tiny track: captions kept and shown, answers from them."""

import json

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.tiny.data import TEXT_MODEL, recipes
from r1aqa_helpers.tiny.question_types import caption
from r1aqa_helpers.utils.paths import TINY


def run(few, out, *more):
    return CliRunner().invoke(
        app,
        ["cascade", "--profile", "tiny", "--questions", str(few), "--out", str(out), *more],
    )


def test_the_cascade_of_the_tiny_track(few, tmp_path):
    done = run(few, tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [row["name"] for row in result["rows"]] == ["cascade-strong", "cascade-weak"]
    assert result["n"] == 12 and result["request"] == "Describe the audio."
    assert result["text_model"] == "data/tiny/text_model"
    kept = {
        row["id"]: row
        for row in map(json.loads, (tmp_path / "out/captions.jsonl").read_text().splitlines())
    }
    scenes = recipes("test")
    true = sum(row["strong"] == caption(scenes[id]) for id, row in kept.items())
    assert len(kept) == 12 and true >= 4  # the tiny model does describe what it hears
    # Again, from the logs: the same, and at once.
    again = run(few, tmp_path / "out")
    assert again.exit_code == 0 and "captions, strong | weak:" in again.stdout
    changed = run(few, tmp_path / "out", "--request", "What do you hear?")
    assert changed.exit_code == 1 and "log of a different run (request" in changed.stderr


@pytest.mark.parametrize(
    "more, message",
    [
        (["--text-model", "nowhere"], "text model nowhere: no such folder"),
        (["--endpoint", "http://localhost:1/v1"], "give the text model, --text-model"),
    ],
)
def test_faults_are_told_before_any_captioning(few, tmp_path, more, message):
    done = run(few, tmp_path / "out", *more)
    assert done.exit_code == 1 and message in done.stderr
    assert not (tmp_path / "out" / "captions.log.jsonl").exists()


def test_the_shipped_text_model_is_small_and_reads_captions():
    """What `scripts/train_text_model.py` recorded, on validation questions."""
    record = json.loads((TINY / "text_model.json").read_text())
    assert (TEXT_MODEL / "model.safetensors").stat().st_size <= 4 * 2**20
    assert record["validation"]["strong"]["n"] == 400
    assert record["validation"]["strong"]["accuracy"] > 60
    assert record["validation"]["weak"]["accuracy"] < record["validation"]["strong"]["accuracy"]
