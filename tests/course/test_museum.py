"""Case cards, index and differential table; the broken runs and what tells them apart."""

import json
import re

import pytest

from r1aqa_helpers.course import broken_runs, museum
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import read_json


def test_every_case_is_whole_and_has_a_card():
    found = museum.cases()
    assert [one.number for one in found] == list(range(1, 16))
    for one in found:
        assert one.voice in ("loud", "late", "silent")
        assert all(text.strip() for _, text in one.rows())
        assert all(address.startswith("https://") for _, address in one.wild)
    assert len({one.title for one in found}) == len(found)


def test_a_card_shows_label_text_and_source(capsys):
    museum.card(5)
    shown = capsys.readouterr().out
    assert "Exhibit 5 · Wrong padding side (silent)" in shown
    assert "test; Is the last column" in shown


def test_an_exhibit_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="exhibits 1 to 15"):
        museum.case(16)


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(museum, "CASES", tmp_path / "museum.json")
    museum.CASES.write_text(json.dumps({"cases": [{"hall": "ears", "wild": []}]}))
    with pytest.raises(UserError, match=r"museum\.json: a case lacks"):
        museum.cases()


def test_html_is_escaped_and_code_marked():
    table = museum.Table("<b>", [("a", "`x<y`", [("z", "https://e.org/?a=1&b=2")])])
    page = table._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<code>x&lt;y</code>" in page
    assert 'href="https://e.org/?a=1&amp;b=2"' in page


def test_the_differential_table_leads_to_every_exhibit(capsys):
    museum.differential()
    shown = capsys.readouterr().out
    named = {int(n) for group in re.findall(r"\(([\d, ]+)\)", shown) for n in group.split(",")}
    assert named == {one.number for one in museum.cases()}


def test_broken_runs_are_told_apart_by_one_number_each(capsys):
    runs = broken_runs.broken_runs()
    assert f"6 runs of {broken_runs.STEPS} steps" in capsys.readouterr().out

    def mean(letter, field, part):
        rows = runs[letter][part]
        return sum(row[field] for row in rows) / len(rows)

    last, first = slice(-3, None), slice(0, 3)
    letters = sorted(broken_runs.FAULTS)
    assert all(len(runs[letter]) == broken_runs.STEPS for letter in letters)
    assert [one for one in letters if abs(mean(one, "kl", last)) < 1e-6] == ["D"]
    assert [one for one in letters if min(row["kl"] for row in runs[one][1:]) > 1] == ["E"]
    assert max(letters, key=lambda one: mean(one, "zero_variance_groups", first)) == "A"
    assert [one for one in letters if not any(r["accuracy"] for r in runs[one])] == ["C"]
    assert mean("B", "format", last) > mean("B", "format", first)
    assert mean("B", "accuracy", last) > mean("F", "accuracy", last)


def test_a_run_is_found_by_its_fault():
    assert broken_runs.run_of("deaf") == read_json(broken_runs.KEPT)["runs"]["F"]


def test_other_runs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(broken_runs, "KEPT", tmp_path / "broken_runs.json")
    broken_runs.KEPT.write_text(json.dumps({"runs": {"A": []}}))
    with pytest.raises(UserError, match="does not hold runs A, B"):
        broken_runs.broken_runs()
