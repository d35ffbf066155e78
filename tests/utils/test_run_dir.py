"""Whose folder it is, also where an earlier version wrote its file."""

import pytest

from r1aqa_helpers.training.run import open_run
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_json
from r1aqa_helpers.utils.run_dir import RUN_FILE, claim


def test_a_run_of_an_earlier_version_goes_on(tmp_path):
    frozen = {"steps": 2, "freeze_audio_encoder": True}
    write_json(tmp_path / RUN_FILE, {"settings": {"steps": 2, "freeze_tower": True}})
    assert open_run(tmp_path, {"settings": frozen}) is None
    write_json(tmp_path / RUN_FILE, {"settings": {"sft": {"steps": 2, "freeze_tower": True}}})
    claim(tmp_path, {"settings": {"sft": frozen}})
    with pytest.raises(UserError, match="holds a run with settings"):
        claim(tmp_path, {"settings": {"sft": {**frozen, "freeze_audio_encoder": False}}})


def test_a_damaged_file_is_named(tmp_path):
    write_json(tmp_path / RUN_FILE, [])
    for use in (open_run, claim):
        with pytest.raises(UserError, match=r"run\.json: is damaged"):
            use(tmp_path, {"settings": {}})
