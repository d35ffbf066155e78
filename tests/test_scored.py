"""Anyone's predictions: scored by group, drawn, and entered into the table with their source."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.course.widgets import listening_test as listening
from r1aqa_helpers.files import write_jsonl
from r1aqa_helpers.questions import read_questions, write_mmau

EVIL = "[red]<b>x</b>[/red]"


@pytest.fixture(autouse=True)
def no_listener(monkeypatch, tmp_path):
    """Nobody has listened, whoever runs the tests."""
    monkeypatch.setattr(listening, "FOLDER", tmp_path / "listening")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def succeed(*arguments):
    done = call(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


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


def test_score_shows_groups_floors_strict_match_and_confusions(scored):
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


def test_the_plot_is_written_whole_and_in_a_known_form(scored, tmp_path):
    succeed(*scored, "--plot", tmp_path / "groups.svg")
    svg = (tmp_path / "groups.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    succeed(*scored, "--plot", tmp_path / "groups.png")
    assert (tmp_path / "groups.png").read_bytes().startswith(b"\x89PNG")
    wrong = call(*scored, "--plot", tmp_path / "groups.txt")
    assert wrong.exit_code == 1 and "ends in none of .svg, .png, .pdf" in wrong.stderr


def test_a_scored_file_enters_the_table_with_its_source(scored, tmp_path):
    row = tmp_path / "row.json"
    succeed(*scored, "--as", EVIL, "--source", "https://example.org/[b]said", "--out", row)
    rows = json.loads(succeed("table", "--scored", row, "--json"))["rows"]
    (found,) = [r for r in rows if r["method"] == EVIL]
    assert found["kind"] == "own" and found["reported"] is None
    own = found["reproduced"]
    assert (own["average"], own["n"], own["track"]) == (50, 6, "test")
    assert own["source"] == "https://example.org/[b]said"
    text = succeed("table", "--scored", row)
    assert EVIL in text and f"{EVIL}: from https://example.org/[b]said" in text


def test_a_published_rows_name_puts_it_beside_that_row(scored, tmp_path):
    row = tmp_path / "row.json"
    rows = json.loads(succeed("table", "--json"))["rows"]
    name = next(r["model"] for r in rows if "Gemini" in r["model"])
    succeed(*scored, "--as", name, "--source", "me", "--out", row)
    found = json.loads(succeed("table", "--scored", row, "--json"))["rows"]
    assert len(found) == len(rows)
    (beside,) = [r for r in found if r["model"] == name]
    assert beside["reported"] is not None and beside["reproduced"]["average"] == 50


def test_half_a_row_and_names_that_cannot_be_shown_are_refused(scored, tmp_path):
    row = tmp_path / "row.json"
    half = call(*scored, "--as", "x")
    assert half.exit_code == 1 and "belong together" in half.stderr
    bell = call(*scored, "--as", "x\x1b[2J", "--source", "me", "--out", row)
    assert bell.exit_code == 1 and "--as" in bell.stderr and not row.exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"method": 3}, "field method: is 3"),
        ({"source": "a\x1b[2J"}, "field source"),
        ({"average": 101}, "field average: is 101"),
        ({"sound": "x"}, "field sound"),
        ({"ci95": [60, 70]}, "field ci95"),
        ({"n": 0}, "field n: is 0"),
        ({"test_set": None}, "is no set of questions"),
    ],
)
def test_a_row_from_a_stranger_is_checked(scored, tmp_path, change, message):
    row = tmp_path / "row.json"
    succeed(*scored, "--as", "x", "--source", "me", "--out", row)
    row.write_text(json.dumps(json.loads(row.read_text()) | change))
    done = call("table", "--scored", row)
    assert done.exit_code == 1 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1 and "\x1b" not in done.stderr
