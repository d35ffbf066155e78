"""The prompts are the paper's, word for word."""

from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.utils.errors import UserError

QUESTION = "Based on the given audio, identify the source of the speaking voice."
CHOICES = ("Man", "Woman", "Child", "Robot")


def test_the_three_prompts_word_for_word():
    asked = (
        "Based on the given audio, identify the source of the speaking voice. Please choose the "
        "answer from the following options: ['Man', 'Woman', 'Child', 'Robot']."
    )
    assert build_prompt(QUESTION, CHOICES, 1) == asked
    # The example of R1-AQA's model card.
    assert build_prompt(QUESTION, CHOICES, 2) == (
        asked + " Output the final answer in <answer> </answer>."
    )
    assert build_prompt(QUESTION, CHOICES, 3) == (
        asked + " Output the thinking process in <think> </think> and final answer in <answer>"
        " </answer>."
    )
    prompt = build_prompt("Who {x}?", ("It's {him}", 'a "b"', "é"), 1)
    assert prompt.startswith("Who {x}? Please")
    assert prompt.endswith("""options: ["It's {him}", 'a "b"', 'é'].""")
    for number in (0, "2"):
        with pytest.raises(UserError, match="choose one of 1, 2, 3"):
            build_prompt("Who?", CHOICES, number)


def test_avqa_asks_about_the_audio_and_others_keep_their_words():
    for dataset, expected in (
        ("AVQA", "the audio? Which audios?"),
        ("X", "the video? Which videos?"),
    ):
        text = "What is in the video? Which videos?"
        question = AudioQuestion("1", Path("a.wav"), text, CHOICES, "Man", dataset=dataset)
        assert question_text(question) == f"What is in {expected}"
