"""The calculator says what ``budgets`` says, and one line where settings do not go together."""

import pytest

from r1aqa_helpers.course.widgets.calculator import TRAINS, Calculator, estimate, verdict
from r1aqa_helpers.hardware import flops
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.hardware.gpus import MEANT_FOR
from r1aqa_helpers.hardware.memory import HEADROOM
from r1aqa_helpers.utils.errors import UserError


@pytest.mark.parametrize("profile", MEANT_FOR)
def test_a_profile_as_it_is_takes_what_its_budget_says(profile):
    one, wanted = estimate(profile), budget(profile)
    stages = ("grpo rollout", "grpo update")
    assert one.peak == max(sum(wanted.stages[name].values()) for name in stages)
    assert one.fits and 0 not in one.parts.values()


def test_all_weights_are_trained_in_float32_with_a_reference_and_lora_in_bfloat16():
    assert estimate("h200-full", trains=TRAINS[1]).profile.dtype == "bfloat16"
    one = estimate("a100", trains=TRAINS[2])
    assert one.profile.dtype == "float32" and one.parts["reference"] == one.parts["weights"]
    assert not one.fits and "✗ does not fit" in verdict(one)
    assert one.peak > (1 - HEADROOM) * one.budget.gpu_memory


def test_more_answers_take_more_memory_and_less_than_twice_the_arithmetic():
    eight, sixteen = estimate("h100"), estimate("h100", group_size=16)
    assert sixteen.peak > eight.peak
    assert eight.step_flops < sixteen.step_flops < 1.5 * eight.step_flops
    group = flops.Group(8, 250, 80, 9)
    one = flops.group_flops(flops.config_7b(), group, "shared", lora=True)["total"]
    assert eight.step_flops == 16 * one


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"profile": "tiny"}, "choose one of t4"),
        ({"gpu": "abacus"}, "choose one of T4"),
        ({"gpu": "T4"}, "does not compute in bfloat16"),
        ({"profile": "t4", "trains": TRAINS[2]}, "keep LoRA"),
        ({"trains": "nothing"}, "choose one of as the profile"),
        ({"gpus": 3}, "step of grpo"),
        ({"answer": 500}, "raise that first"),
        ({"seconds": 0}, "above 0"),
        ({"group_size": 0}, "above 0"),
        ({"rank": 3}, "choose among group_size"),
    ],
)
def test_what_does_not_go_together_is_one_line(wrong, message):
    with pytest.raises(UserError, match=message) as error:
        estimate(**wrong)
    assert "\n" not in str(error.value)


def test_a_control_changes_the_table_and_a_fault_is_a_status():
    made = Calculator()
    before = made.table.value
    made.controls["prompts_per_step"].value = 32
    assert made.table.value != before and "693 TFLOP" in made.table.value
    made.controls["trains"].value = TRAINS[2]
    assert "does not fit" in made.status.value and 'role="status"' in made.status.value
    made.controls["profile"].value = "t4"
    made.controls["trains"].value = TRAINS[2]
    assert "✗ profile t4" in made.status.value and made.table.value == ""
