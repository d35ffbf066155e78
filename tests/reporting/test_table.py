"""The table: published rows, baselines and own rows, anyone's scored predictions among them."""

import json
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.course.widgets import listening_test as listening
from r1aqa_helpers.data import read_questions, write_mmau
from r1aqa_helpers.reporting import human, load_published, read_scored
from r1aqa_helpers.reporting.leaderboard import run_rows
from r1aqa_helpers.reporting.tables import measured_cells
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl, read_json, write_json, write_jsonl
from r1aqa_helpers.utils.paths import DATA, TINY

RESULTS = DATA / "results" / "tiny"
FIGURES = ("sound", "music", "speech", "average")
EVIL = "[red]<b>x</b>[/red]"


@pytest.fixture(autouse=True)
def no_listener(monkeypatch, tmp_path):
    """Nobody has listened, no matter who runs the tests."""
    monkeypatch.setattr(human, "FOLDER", tmp_path / "listening")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def succeed(*arguments):
    done = call(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def rows(*arguments):
    return json.loads(succeed("table", "--json", *arguments))["rows"]


def test_published_rows_come_first_in_the_cards_order_and_baselines_are_rows_of_their_own():
    found, published = rows(), load_published()
    for row, reported in zip(found[:16], (*published.card, *published.paper), strict=True):
        assert (row["model"], row["method"]) == (reported.model, reported.method)
        assert row["reported"] == {
            **{name: getattr(reported, name) for name in FIGURES}, "source": reported.source,
        }  # fmt: skip
    assert [row["kind"] for row in found[:16]] == ["human"] + ["published"] * 15
    baselines = [row for row in found if row["kind"] == "baseline"]
    assert {"random", "text-only", "silence"} <= {row["method"] for row in baselines}
    assert all(row["reported"] is None and row["reproduced"]["n"] == 1000 for row in baselines)


def test_own_rows_are_those_of_the_committed_files_and_only_like_ones_stand_beside():
    found = rows()
    own = {r["reproduced"]["method"]: r for r in found if r["reproduced"]}
    run = read_json(TINY / "reference_run" / "results.json")["rows"]
    stored = {f"{row['method']} <{row['prompt']}>": row for row in run}
    cascade = read_json(RESULTS / "cascade.json")["rows"]
    stored |= {row["name"]: {**row, "average": row["accuracy"]} for row in cascade}
    for row in read_json(RESULTS / "sampled.json")["rows"]:
        name = f"direct <{row['prompt']}>, sampled, {len(row['seeds'])} seeds"
        stored[name] = {**row, "average": row["mean"]}
    for name, row in stored.items():
        told = own[name]["reproduced"]
        assert (told["average"], told["ci95"]) == (row["average"], row["ci95"]), name
        assert (told["n"], told["track"]) == (1000, "tiny") and told["source"].startswith("data/")
        assert told["speech"] == row.get("speech", told["speech"])
    beside = {name: row["method"] for name, row in own.items() if row["reported"]}
    assert beside == {
        "grpo <2>": "GRPO (Ours)", "grpo <3>": "GRPO + Prompt <3>",
        "cascade-strong": "Direct Inference", "cascade-weak": "Direct Inference",
    }  # fmt: skip
    kinds = {row["kind"] for name, row in own.items() if name.startswith("sft <2>")}
    seeds = [name for name in own if name.startswith("sft <2>, ") and name.endswith(" seeds")]
    assert kinds == {"own"} and len(seeds) == 1


def test_a_run_of_ones_own_comes_before_the_committed_one(tmp_path):
    shutil.copytree(TINY / "reference_run", tmp_path / "run")
    place = tmp_path / "run" / "results.json"
    stored = read_json(place)
    stored["profile"] = "a100"
    for row in stored["rows"]:
        row["average"], row["ci95"] = 70.0, [67, 73]
    place.write_text(json.dumps(stored))
    found = rows("--run", tmp_path / "run")
    (grpo,) = [r for r in found if r["method"] == "GRPO (Ours)"]
    assert (grpo["reproduced"]["track"], grpo["reproduced"]["average"]) == ("a100", 70.0)
    # The tiny track's row is still there.
    assert [r for r in found if r["method"] == "grpo <2>"][0]["reproduced"]["track"] == "tiny"
    assert f"grpo <2>: from {place}" in succeed("table", "--run", tmp_path / "run")
    missing = call("table", "--run", tmp_path / "none")
    assert missing.exit_code == 1 and "results.json" in missing.stderr


def test_who_listened_stands_in_the_human_row(tmp_path):
    asked = listening.pick(read_questions(TINY / "tiny-mmau.json"))
    for question in asked:
        append_jsonl(human.answers_file("tiny"), {"id": question.id, "answer": question.answer})
    row = rows()[0]
    assert row["kind"] == "human" and row["reproduced"]["average"] == 100
    assert row["reproduced"]["n"] == 10 and row["reproduced"]["ci95"][0] < 75


@pytest.fixture
def scored(make_questions, tmp_path):
    """Arguments of ``score`` for a file of questions and predictions for it."""
    _, test = make_questions()
    asked = read_questions(test)
    asked = [replace(q, sub_category="a $b$" if q.task == "sound" else EVIL) for q in asked]
    write_mmau(test, asked)
    said = tmp_path / "said.jsonl"
    words = ["dog", "The answer is cat.", "dog", "nothing", "dog", "bell"]
    rows = zip(asked, words, strict=True)
    write_jsonl(said, [{"id": q.id, "response": word} for q, word in rows])
    return ["score", "--questions", test, "--predictions", said]


def test_score_shows_groups_baselines_strict_match_and_confusions(scored):
    text = succeed(*scored)
    for name in ("official", "strict", "no choice", "constant", "chance", "sound", "easy", EVIL):
        assert name in text
    line = next(line for line in text.splitlines() if line.strip().startswith("average"))
    # 3 of 6 by the official match, 2 by the strict one; always the first choice gets 2 of 6.
    assert line.split()[1:] == ["50.00", "18.8–81.2", "6", "33.33", "1", "33.3", "25.0"]
    assert "1 × car: dog" in text and "1 × bell" not in text
    told = json.loads(succeed(*scored, "--json"))
    assert told["average"] == 50 and told["strict"]["accuracy"] == pytest.approx(100 / 3)
    assert told["groups"][0]["constant"]["accuracy"] == pytest.approx(100 / 3)
    assert ["car", "dog", 1] in told["confusions"]


def test_the_plot_is_written_whole_and_in_a_known_format(scored, tmp_path):
    succeed(*scored, "--plot", tmp_path / "groups.svg")
    svg = (tmp_path / "groups.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    succeed(*scored, "--plot", tmp_path / "groups.png")
    assert (tmp_path / "groups.png").read_bytes().startswith(b"\x89PNG")
    wrong = call(*scored, "--plot", tmp_path / "groups.txt")
    assert wrong.exit_code == 1 and "ends in none of .svg, .png, .pdf" in wrong.stderr


def test_a_scored_file_enters_the_table_with_its_source(scored, tmp_path):
    row, before = tmp_path / "row.json", rows()
    succeed(*scored, "--as", EVIL, "--source", "https://example.org/[b]said", "--out", row)
    row.write_text(json.dumps(read_json(row) | {"kind": "human", "track": "x"}))
    (found,) = [r for r in rows("--scored", row) if r["method"] == EVIL]
    assert found["kind"] == "own" and found["reported"] is None
    own = found["reproduced"]
    assert (own["average"], own["n"], own["track"]) == (50, 6, "test")
    assert own["source"] == "https://example.org/[b]said"
    text = succeed("table", "--scored", row)
    assert EVIL in text and f"{EVIL}: from https://example.org/[b]said" in text
    # Under the name of a published row it is beside that row.
    name = next(r["model"] for r in before if "Gemini" in r["model"])
    succeed(*scored, "--as", name, "--source", "me", "--out", row)
    found = rows("--scored", row)
    assert len(found) == len(before)
    (beside,) = [r for r in found if r["model"] == name]
    assert beside["reported"] is not None and beside["reproduced"]["average"] == 50
    row.unlink()
    half = call(*scored, "--as", "x")
    assert half.exit_code == 1 and "belong together" in half.stderr
    bell = call(*scored, "--as", "x\x1b[2J", "--source", "me", "--out", row)
    assert bell.exit_code == 1 and "--as" in bell.stderr and not row.exists()


#: What may stand in a stranger's file where a figure, an interval or a text should be.
ODD = (
    None, True, "x", "", "5", 10**400, -(10**400), -1, 1e308, [], [1], [None, None], ["a", "b"],
    [10**400] * 2, [[1, 2]], {}, {"a": 1}, "\x1b[2J", "x" * 5000,
)  # fmt: skip


def check(read, path):
    """The rows can be shown, or one line says what is wrong."""
    try:
        cells = [cell for row in read(path) for cell in (row.name, row.track, *measured_cells(row))]
    except UserError as error:
        cells = [str(error)]
        assert len(cells[0]) < 1000
    assert all(cell.isprintable() for cell in cells)


@pytest.mark.parametrize("value", ODD, ids=[repr(value)[:20] for value in ODD])
def test_odd_values_in_a_row_or_a_run_are_one_line(scored, tmp_path, value):
    row, run = tmp_path / "row.json", tmp_path / "run" / "results.json"
    succeed(*scored, "--as", "x", "--source", "me", "--out", row)
    stored = read_json(row)
    changed = [stored | {name: value} for name in stored]
    tests = [stored["test_set"] | {name: value} for name in stored["test_set"]]
    for content in [value, *changed, *(stored | {"test_set": test} for test in tests)]:
        write_json(row, content)
        check(lambda path: [read_scored(path)], row)
    stored = read_json(TINY / "reference_run" / "results.json")
    first = stored["rows"][0]
    changed = [{"rows": [first | {name: value}]} for name in first]
    for change in [*changed, {"rows": value}, {"rows": [value]}, {"profile": value}]:
        write_json(run, stored | change)
        check(run_rows, run)
    done = call("table", "--run", run.parent, "--scored", row)
    assert done.exit_code in (0, 1) and isinstance(done.exception, SystemExit | None)
    assert done.stderr.count("\n") == done.exit_code


@pytest.mark.parametrize(
    "change, message",
    [
        ({"source": " "}, "field source"),
        ({"source": "a\x1b[2J"}, "field source"),
        ({"average": 101}, "field average: is 101"),
        ({"average": 10**400}, "field average: is 1000"),
        ({"ci95": [1, [2]]}, "field ci95.1: is [2]"),
        ({"n": {}}, "field n: is {}"),
        ({"ci95": [60, 70]}, "field ci95"),
        ({"test_set": None}, "is no set of questions"),
    ],
)
def test_a_row_from_a_stranger_is_checked(scored, tmp_path, change, message):
    row = tmp_path / "row.json"
    succeed(*scored, "--as", "x", "--source", "me", "--out", row)
    row.write_text(json.dumps(read_json(row) | change))
    done = call("table", "--scored", row)
    assert done.exit_code == 1 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and "\x1b" not in done.stderr
