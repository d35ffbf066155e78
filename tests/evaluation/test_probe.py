"""The command ``r1aqa probe``: all probes of a model, resumable, into one file."""

import json

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import identify, read_questions, write_avqa, write_mmau
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A few test and training questions, with their clips."""
    from r1aqa_helpers.tiny.data import prepare

    data, folder = prepare(), tmp_path_factory.mktemp("probe")
    test = read_questions(data.test)
    picked = [q for task in ("sound", "music", "speech") for q in test if q.task == task][::84][:12]
    write_mmau(folder / "test.json", picked)
    write_avqa(folder / "train.jsonl", read_questions(data.train)[:60])
    return folder


def run(files, out, *more):
    return CliRunner().invoke(
        app,
        ["probe", "--profile", "tiny", "--questions", str(files / "test.json"),
         "--train", str(files / "train.jsonl"), "--out", str(out), *more],
    )  # fmt: skip


def test_all_probes_of_the_tiny_model(files, tmp_path):
    done = run(files, tmp_path, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "probes.json").read_text())
    names = [row["name"] for row in told["floors"]]
    reading = ["random", "first", "best-place", "longest", "majority", "text-only"]
    assert names == [*reading, "silence", "other-clip"]
    assert told["n"] == 12 and all(row["n"] == 12 for row in told["floors"])
    asked = read_questions(files / "test.json")
    assert {"date", "commit", "pins", "hardware"} <= told["provenance"].keys()
    assert told["test_set"] == identify(asked, files / "test.json").as_dict()
    assert told["order"]["asked"] == sum(len(q.choices) for q in asked)
    assert set(told["contribution"]) == {"silence", "other-clip"}
    assert told["contribution"]["silence"]["heard"] == told["order"]["as_given"]
    silent = next(row for row in told["floors"] if row["name"] == "silence")
    assert told["contribution"]["silence"]["instead"]["accuracy"] == silent["accuracy"]

    (tmp_path / "probes.json").unlink()
    before = (tmp_path / "rotations.log.jsonl").read_bytes()
    again = run(files, tmp_path)
    assert again.exit_code == 0 and "choice order:" in again.stdout
    assert (tmp_path / "rotations.log.jsonl").read_bytes() == before  # nothing asked again
    assert json.loads((tmp_path / "probes.json").read_text()) == told


def test_questions_without_training_questions_are_refused(files, tmp_path):
    done = CliRunner().invoke(
        app, ["probe", "--profile", "tiny", "--questions", str(TINY / "tiny-mmau.json"),
              "--out", str(tmp_path)],
    )  # fmt: skip
    assert done.exit_code == 1 and "--train" in done.stderr and len(done.stderr.splitlines()) == 1
