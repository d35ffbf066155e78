"""README's rows, measured again through the shipped commands, lie in the experiment's bands."""

import pytest

from r1aqa_helpers.experiments.methods import BASE
from r1aqa_helpers.tiny.data import MODEL


@pytest.mark.parametrize("method", BASE, ids=lambda method: method.name)
def test_an_untrained_row(method, bands, accuracy, tmp_path):
    measured = accuracy(MODEL, method.prompt, tmp_path / "predictions.json")
    assert bands[method.name].against(measured)["within"], (measured, bands[method.name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_a_row_that_is_trained_anew(name, retrained):
    found = retrained(name)
    assert found["within"], found
