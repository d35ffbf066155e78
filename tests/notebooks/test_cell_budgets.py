"""What the notebooks train and ask fits the GPU that each profile is meant for."""

import ast
from pathlib import Path

import nbformat
import pytest

from r1aqa_helpers.course.notebooks import NOTEBOOKS
from r1aqa_helpers.course.runs import plan_run
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.utils.errors import UserError

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
#: Arguments of `Lab.train` that are no settings, or that memory does not depend on.
OTHERS = {"steps", "start", "questions", "rewards", "name", "lr", "beta", "temperature", "minutes"}
#: They load models, or train them, past the lab, which holds one model on a GPU.
PAST_THE_LAB = {"load_for", "train_grpo", "train_sft", "train_method"}


def calls(source: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]


def trainings(source: str) -> list[tuple[str, dict]]:
    """Each training of a cell: its method (every one, if it is computed) and its settings."""
    found = []
    for call in calls(source):
        if ast.unparse(call.func) != "lab.train":
            continue
        first = call.args[0]
        names = [first.value] if isinstance(first, ast.Constant) else list(METHODS)
        given = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg not in OTHERS}
        found += [(name, given) for name in names]
    return found


def test_the_scan_sees_every_training_and_what_does_not_fit():
    cell = "for m in names:\n    run = lab.train(m, steps=n, beta=b)\nlab.train('sft', lora_rank=4)"
    found = trainings(cell)
    assert len(found) == len(METHODS) + 1 and ("sft", {"lora_rank": 4}) in found
    ((name, given),) = trainings("lab.train('grpo-2', 30, group_size=32)")
    with pytest.raises(UserError, match="a T4 has 16"):
        plan_run(METHODS[name], PROFILES["t4"], 0, **given)


@pytest.mark.parametrize("one", NOTEBOOKS, ids=lambda one: one.number)
def test_a_notebook_fits_every_profile(one):
    cells = nbformat.read(FOLDER / one.file, as_version=4).cells
    sources = [c.source for c in cells if c.cell_type == "code"]
    for profile in PROFILES.values():
        assert budget(profile).fits is not False  # asking, and its own trainings
        for source in sources:
            for name, given in trainings(source):
                plan_run(METHODS[name], profile, 0, **given)
    for call in (call for source in sources for call in calls(source)):
        assert ast.unparse(call.func).split(".")[-1] not in PAST_THE_LAB, ast.unparse(call)
