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


def asked(text: str, dataset: str) -> str:
    return question_text(AudioQuestion("1", Path("a.wav"), text, CHOICES, "Man", dataset=dataset))


def test_prompt_2_is_the_model_cards_example():
    assert build_prompt(QUESTION, CHOICES, 2) == (
        "Based on the given audio, identify the source of the speaking voice. Please choose the "
        "answer from the following options: ['Man', 'Woman', 'Child', 'Robot']. Output the final "
        "answer in <answer> </answer>."
    )


def test_prompts_1_and_3():
    asked = "Who? Please choose the answer from the following options: ['A', 'B']."
    assert build_prompt("Who?", ["A", "B"], 1) == asked
    assert build_prompt("Who?", ["A", "B"], 3) == (
        asked + " Output the thinking process in <think> </think> and final answer in <answer>"
        " </answer>."
    )


def test_choices_are_written_as_python_writes_a_list():
    prompt = build_prompt("Who {x}?", ("It's {him}", 'a "b"', "é"), 1)
    assert prompt.startswith("Who {x}? Please")
    assert prompt.endswith("""options: ["It's {him}", 'a "b"', 'é'].""")


@pytest.mark.parametrize("number", [0, 4, "2", None])
def test_another_prompt_number_is_a_user_error(number):
    with pytest.raises(UserError, match="choose one of 1, 2, 3"):
        build_prompt("Who?", CHOICES, number)


def test_avqa_asks_about_the_audio_and_others_keep_their_words():
    assert asked("What is in the video? Which videos?", "AVQA") == (
        "What is in the audio? Which audios?"
    )
    assert asked("What is in the video?", "AudioSet") == "What is in the video?"


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


def test_without_a_clip_the_turn_still_has_its_place():
    processor = build_processor(build_tokenizer([QUESTION]))
    text = processor.apply_chat_template(chat_messages("Who?"), add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\nWho?<|im_end|>\n<|im_start|>assistant\n"
    )
