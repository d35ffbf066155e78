"""Budget cards: expected from committed figures, actual from the run's own log."""

from r1aqa_helpers.course.budget_cards import budget_table, peak_memory
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.training.grpo.run import GRPOSettings
from r1aqa_helpers.utils.io import append_jsonl

TINY = PROFILES["tiny"]


def settings(**changes):
    return GRPOSettings(**{**TINY.grpo, **changes})


def rows_of(*arguments):
    """The two rows of a card: time and memory."""
    return budget_table(*arguments).frame.to_numpy().tolist()


def test_expected_minutes_are_in_proportion_to_the_answers():
    whole = budget(TINY).minutes["grpo"].value
    (time, memory) = rows_of(TINY, settings())
    expected = f"{60 * whole:.0f} s" if 60 * whole < 100 else f"{whole:.1f} min"
    assert time[1] == expected and time[3] == memory[3] == "–"
    assert time[2].startswith("measured (") and memory[2].startswith("measured (")
    few = rows_of(TINY, settings(steps=10, prompts_per_step=4))[0][1]
    assert few == f"{60 * whole / 20:.0f} s"


def test_actual_is_what_the_log_says_of_the_steps_that_were_made(tmp_path):
    for step in (1, 2):
        append_jsonl(tmp_path / "metrics.jsonl", {"step": step, "seconds": 2.25})
    card = budget_table(TINY, settings(), tmp_path)
    time, memory = rows_of(TINY, settings(), tmp_path)
    whole = budget(TINY).minutes["grpo"].value
    assert "2 steps" in card.caption
    assert time[1] == f"{60 * whole * 2 / TINY.grpo['steps']:.0f} s"
    assert time[3] == "4 s"
    assert memory[3] == f"{peak_memory('cpu') / 1e9:.1f} GB"
