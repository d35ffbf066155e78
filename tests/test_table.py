"""The table: thirteen published rows, the paper's, floors and own rows."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.course.widgets import listening_test as listening
from r1aqa_helpers.files import append_jsonl
from r1aqa_helpers.paths import DATA, TINY
from r1aqa_helpers.questions import read_questions
from r1aqa_helpers.results import human, load_published
from r1aqa_helpers.table import Own, table_rows

RESULTS = DATA / "results" / "tiny"
FIGURES = ("sound", "music", "speech", "average")


@pytest.fixture(autouse=True)
def no_listener(monkeypatch, tmp_path):
    """Nobody has listened, whoever runs the tests."""
    monkeypatch.setattr(human, "FOLDER", tmp_path / "listening")


def run(*arguments):
    done = CliRunner().invoke(app, ["table", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(*arguments):
    return json.loads(run("--json", *arguments))["rows"]


def test_all_thirteen_rows_stand_first_in_the_cards_order():
    found, card = rows()[:13], load_published().card
    for row, reported in zip(found, card, strict=True):
        assert (row["model"], row["method"]) == (reported.model, reported.method)
        assert row["reported"] == {
            **{name: getattr(reported, name) for name in FIGURES}, "source": reported.source,
        }  # fmt: skip
    assert [row["kind"] for row in found] == ["human"] + ["published"] * 12


def test_own_figures_are_those_of_the_committed_run():
    stored = json.loads((TINY / "reference_run" / "results.json").read_text())
    own = {(r["method"], r["prompt"]): r for r in stored["rows"]}
    by_name = {(r["model"], r["method"]): r["reproduced"] for r in rows()}
    pairs = {
        "Direct Inference": ("direct", 2), "Zero-Shot-CoT": ("zero-shot-cot", 3),
        "GRPO (Ours)": ("grpo", 2), "SFT Full + Prompt <1>": ("sft", 2),
    }  # fmt: skip
    for method, key in pairs.items():
        beside = by_name["Qwen2-Audio-7B-Instruct", method]
        for name in FIGURES:
            assert beside[name] == pytest.approx(own[key][name], abs=1e-6)
        assert beside["n"] == 1000 and beside["track"] == "tiny"
        assert beside["ci95"] == pytest.approx(own[key]["ci95"], abs=1e-6)
    # With the other prompt it has no published counterpart, and is not lost.
    (other,) = [r for r in rows() if r["method"] == "direct <1>"]
    assert other["kind"] == "own" and other["reported"] is None


def test_cascades_stand_beside_theirs_and_draws_are_rows_of_their_own():
    found = rows()
    cascade = json.loads((RESULTS / "cascade.json").read_text())
    own = {row["name"]: row for row in cascade["rows"]}
    for model, name in (
        ("Llama-3-8B-Instruct + Strong Cap.", "cascade-strong"),
        ("Llama-3-8B-Instruct + Weak Cap.", "cascade-weak"),
    ):
        (beside,) = [r["reproduced"] for r in found if r["model"] == model]
        assert beside["method"] == name and beside["n"] == 1000
        assert beside["average"] == pytest.approx(own[name]["accuracy"], abs=1e-6)
        assert beside["speech"] == pytest.approx(own[name]["tasks"]["speech"]["accuracy"], abs=1e-6)
    sampled = json.loads((RESULTS / "sampled.json").read_text())
    for row in sampled["rows"]:
        assert len(row["seeds"]) >= 3
        name = f"direct <{row['prompt']}>, sampled, {len(row['seeds'])} seeds"
        (shown,) = [r["reproduced"] for r in found if r["method"] == name]
        assert shown["average"] == pytest.approx(row["mean"], abs=1e-6)
        assert shown["ci95"] == pytest.approx(row["ci95"], abs=1e-6)


def test_floors_are_rows_of_their_own():
    floors = [r for r in rows() if r["kind"] == "floor"]
    assert {r["method"] for r in floors} == {
        "random", "first", "best-place", "longest", "majority", "text-only", "silence",
        "other-clip",
    }  # fmt: skip
    for row in floors:
        low, high = row["reproduced"]["ci95"]
        assert row["reported"] is None and low <= row["reproduced"]["average"] <= high


def test_a_run_of_ones_own_comes_before_the_committed_one(tmp_path):
    shutil.copytree(TINY / "reference_run", tmp_path / "run")
    place = tmp_path / "run" / "results.json"
    stored = json.loads(place.read_text())
    stored["profile"] = "a100"
    for row in stored["rows"]:
        row["average"] = 70.0
    place.write_text(json.dumps(stored))
    found = rows("--run", tmp_path / "run")
    (grpo,) = [r for r in found if r["method"] == "GRPO (Ours)"]
    assert (grpo["reproduced"]["track"], grpo["reproduced"]["average"]) == ("a100", 70.0)
    # The tiny track's row is still there.
    assert [r for r in found if r["method"] == "grpo <2>"][0]["reproduced"]["track"] == "tiny"
    missing = CliRunner().invoke(app, ["table", "--run", str(tmp_path / "none")])
    assert missing.exit_code == 1 and "results.json" in missing.stderr


def test_a_mean_over_seeds_stands_in_where_there_is_no_single_run():
    def own(method):
        figures = {name: 50.0 for name in FIGURES}
        return Own(method, "own", "tiny", figures, 1000, (45.0, 55.0), "data/x.json")

    rows = table_rows(
        load_published(),
        [own(m) for m in ("cota <3>, 3 seeds", "grpo <2>, 3 seeds", "grpo <2>", "direct <2>, x")],
    )
    by_name = {(r["model"], r["method"]): r["reproduced"] for r in rows}
    assert by_name["Qwen2-Audio-7B-Instruct", "CoTA"]["method"] == "cota <3>, 3 seeds"
    assert by_name["Qwen2-Audio-7B-Instruct", "GRPO (Ours)"]["method"] == "grpo <2>"
    assert by_name["Qwen2-Audio-7B-Instruct", "Direct Inference"] is None
    assert {r["method"] for r in rows if r["kind"] == "own"} == {
        "grpo <2>, 3 seeds",
        "direct <2>, x",
    }


def test_who_listened_stands_in_the_human_row(tmp_path):
    asked = listening.pick(read_questions(TINY / "tiny-mmau.json"))
    for question in asked:
        append_jsonl(human.answers_file("tiny"), {"id": question.id, "answer": question.answer})
    row = rows()[0]
    assert row["kind"] == "human" and row["reproduced"]["average"] == 100
    assert row["reproduced"]["n"] == 10 and row["reproduced"]["ci95"][0] < 75


def test_the_printed_table_has_every_row_and_says_what_it_is_not():
    text = run()
    for name in ("Human", "SALMONN", "GRPO (Ours)", "Prompt <3>", "silence", "81.3", "not run"):
        assert name in text
    assert "not with those on the left" in " ".join(text.split())
