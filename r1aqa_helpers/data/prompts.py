"""What the model is asked: the three prompts of the R1-AQA paper, as chat messages.

Prompts <2> and <3> are word for word those of the reference code
(https://github.com/xiaomi-research/r1-aqa, src/dataset/dataset.py and src/test_mmau.py).
Prompt <1>, with which the paper's SFT rows were made, is not in that repository; here it is
<2> without its last sentence: an assumption of this project.
"""

from collections.abc import Sequence

from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.utils.errors import UserError

_OPTIONS = "{question} Please choose the answer from the following options: {choices}."
_PROMPTS = {
    1: _OPTIONS,
    2: _OPTIONS + " Output the final answer in <answer> </answer>.",
    3: _OPTIONS
    + " Output the thinking process in <think> </think>"
    + " and final answer in <answer> </answer>.",
}
PROMPT_NUMBERS = tuple(_PROMPTS)


def check_prompt_number(number: int) -> None:
    """Raise ``UserError`` unless ``number`` is one of the paper's prompts."""
    if number not in _PROMPTS:
        known = ", ".join(map(str, PROMPT_NUMBERS))
        raise UserError(f"prompt {number!r}: there is no such prompt, choose one of {known}")


def build_prompt(question: str, choices: Sequence[str], number: int) -> str:
    """Prompt <``number``> of the paper: 1 (plain), 2 (answer tags) or 3 (think, then answer).

    The choices stand in it as Python prints a list, quotes and brackets included, as in the
    reference code. Raises ``UserError`` for any other number.
    """
    check_prompt_number(number)
    return _PROMPTS[number].format(question=question, choices=list(choices))


def question_text(question: AudioQuestion) -> str:
    """The question's text as the model reads it.

    AVQA asks about videos, of which only the sound is played: like the reference code,
    "video" becomes "audio" there, and nothing changes in other data sets.
    """
    if question.dataset == "AVQA":
        return question.question.replace("video", "audio")
    return question.question


def chat_messages(text: str, audio: object = None) -> list[dict]:
    """One user turn, the clip before the text, for Qwen2-Audio's chat template.

    ``audio`` is what ``processor.apply_chat_template(tokenize=True)`` shall load: a float32
    array (samples,) at 16 kHz, or a path. Without it the turn still has the clip's place, for
    those who render the template to text and hand the clip to the processor themselves.
    """
    clip = {"type": "audio"} if audio is None else {"type": "audio", "audio": audio}
    return [{"role": "user", "content": [clip, {"type": "text", "text": text}]}]


def caption_prompt(caption: str, question: str, choices: Sequence[str], number: int) -> str:
    """Prompt <``number``> for a model that reads a caption of the clip in place of hearing it.

    Raises ``UserError`` as `build_prompt`.
    """
    return build_prompt(f"Caption of the audio: {caption} Question: {question}", choices, number)
