"""The recorded checkpoints of notebook 07."""

import json

import pytest

from r1aqa_helpers.course.lessons.n07 import recorded_checkpoints
from r1aqa_helpers.utils.errors import UserError


def test_the_kept_checkpoints_begin_with_the_base_and_end_with_the_run(capsys):
    found = recorded_checkpoints()
    assert [c.step for c in found] == list(range(0, 101, 10))
    assert all(c.validation.n == 400 for c in found)
    assert found[-1].validation.percent > found[0].validation.percent + 10
    assert "seed 0" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [{}, [], {"n": 4, "checkpoints": [{"step": 10}]}])
def test_a_damaged_file_says_how_it_is_written_again(tmp_path, kept):
    path = tmp_path / "checkpoints.json"
    path.write_text(json.dumps(kept))
    with pytest.raises(UserError, match=r"checkpoints\.json: .*record_checkpoints\.py"):
        recorded_checkpoints(path)
