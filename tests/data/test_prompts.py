"""The prompts are the paper's, word for word, and the chat turn carries the clip."""

from pathlib import Path

import numpy as np
import pytest

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.prompts import build_prompt, chat_messages, question_text
from r1aqa_helpers.tiny.build import build_processor, build_tokenizer
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


def test_the_chat_turn_goes_through_the_processor_with_its_clip():
    processor = build_processor(build_tokenizer([QUESTION]))
    clip = np.sin(np.arange(16_000, dtype=np.float32) / 20)
    messages = chat_messages("Who?", clip)
    inputs = processor.apply_chat_template(
        messages,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"sampling_rate": 16_000},
    )
    assert inputs["feature_attention_mask"].sum() == 100  # one second of 10 ms frames
    assert (inputs["input_ids"] == processor.audio_token_id).sum() == 25
    assert "Who?" in processor.decode(inputs["input_ids"][0])
    text = processor.apply_chat_template(chat_messages("Who?"), add_generation_prompt=True)
    assert "Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nWho?<|im_end|>" in text
