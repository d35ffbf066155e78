"""A capstone's files may hold anything; each part that they spoil is one line."""

import json

import pytest

from r1aqa_helpers.course import rubric
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY

ODD = [None, 5, "x", [], [[]], {}, 10**400]


@pytest.mark.parametrize("value", ODD, ids=[repr(value)[:9] for value in ODD])
def test_odd_values_are_one_line(make_questions, tmp_path, monkeypatch, value):
    monkeypatch.setattr(rubric, "_questions", lambda path, least: [])
    monkeypatch.setattr(rubric, "identify", lambda questions, path: None)
    for place in ("evaluation", "run/model"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "run" / "model" / "README.md").write_text("nothing")
    results, run = tmp_path / "evaluation" / "results.json", tmp_path / "run" / "run.json"
    stored = read_json(TINY / "reference_run" / "results.json")
    test = stored["comparisons"][0]
    changes = [{name: value} for name in ("rows", "comparisons", "test_set")]
    changes += [{"rows": [stored["rows"][0] | {name: value}]} for name in ("average", "ci95")]
    changes += [{"comparisons": [test | {name: value}]} for name in test]
    for written in (value, *(stored | change for change in changes)):
        results.write_text(json.dumps(written))
        for part in (rubric.evaluation, rubric.model_card):
            with pytest.raises(UserError) as caught:
                part(tmp_path)
            assert str(caught.value).isprintable()
    for written in (value, {"rewards": value}, {"rewards": ["reward"], "settings": value}):
        run.write_text(json.dumps(written))
        with pytest.raises(UserError):
            rubric.run(tmp_path)
