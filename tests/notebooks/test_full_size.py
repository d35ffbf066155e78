"""The notebooks under another profile: adapters, files of questions, a model of the 7B's shapes.

What its answers say means nothing; that each cell works where PROFILE names a GPU's profile, does.
"""

import json
import os
from dataclasses import replace

import pytest

import notebooks
from r1aqa_helpers.course.notebooks import NOTEBOOKS
from r1aqa_helpers.course.session import RUNS_VARIABLE
from r1aqa_helpers.data import read_questions, write_mmau

pytestmark = pytest.mark.slow
TRAINING = {"steps": 4, "lr": 1e-3, "lora_rank": 4, "freeze_audio_encoder": True,
            "gradient_checkpointing": True}  # fmt: skip
GIVEN = 'PROFILE = "tiny"'
PROFILE = """\
from pathlib import Path
from r1aqa_helpers.hardware import PROFILES, Profile
PROFILES["small"] = Profile(train=Path({train!r}), test=Path({test!r}), **{rest!r})
PROFILE = "small\""""


@pytest.fixture(scope="module")
def profile(true_shapes_dir, make_questions) -> str:
    """What defines the profile in a notebook."""
    train, test = make_questions(48)
    asked = read_questions(test)
    write_mmau(test, [replace(q, sub_category=f"{q.task} {n % 2}") for n, q in enumerate(asked)])
    rest = {
        "name": "small",
        "model": str(true_shapes_dir),
        "device": "cpu",
        "dtype": "float32",
        "eval_tokens": 4096,
        "max_new_tokens": 8,
        "sft": TRAINING | {"batch_size": 2, "rows_per_forward": 2},
        "grpo": TRAINING
        | {"prompts_per_step": 2, "group_size": 2, "prompts_per_forward": 1, "max_completion": 6},
    }
    return PROFILE.format(train=str(train), test=str(test), rest=rest)


#: Always run; the others only where R1AQA_EVERY_NOTEBOOK is set: together they take half an hour.
ALWAYS = {"00"}
OTHERS = pytest.mark.skipif(
    "R1AQA_EVERY_NOTEBOOK" not in os.environ, reason="takes long; R1AQA_EVERY_NOTEBOOK=1 runs it"
)


@pytest.mark.parametrize(
    "number",
    [pytest.param(one.number, marks=() if one.number in ALWAYS else OTHERS) for one in NOTEBOOKS],
)
def test_every_cell_runs_under_another_profile(number, profile, tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    notebook = notebooks.read(number)
    (cell,) = [cell for cell in notebook.cells if GIVEN in cell.source]
    cell.source = cell.source.replace(GIVEN, profile)
    notebooks.execute(notebook)
    printed = json.dumps([c.get("outputs", []) for c in notebook.cells])
    assert "profile small" in printed
