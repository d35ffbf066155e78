"""The course's thirteen notebooks, in order: numbers, files and titles in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notebook:
    """One notebook: its number, the name of its file, its title, two or three words for maps."""

    number: str
    file: str
    title: str
    short: str


NOTEBOOKS = tuple(
    Notebook(number, f"{number}_{name}.ipynb", title, short)
    for number, name, title, short in (
        ("00", "welcome", "Welcome", "welcome"),
        ("01", "inference", "Qwen2-Audio inference", "inference"),
        ("02", "inside_the_model", "Inside the model", "inside\nthe model"),
        ("03", "audio_questions", "Audio questions", "audio\nquestions"),
        ("04", "measuring", "Measuring", "measuring"),
        ("05", "reward_design", "Reward design", "reward\ndesign"),
        ("06", "grpo_from_scratch", "GRPO from scratch", "GRPO from\nscratch"),
        ("07", "full_run", "A full GRPO run", "a full\nrun"),
        ("08", "sft_or_rl", "SFT or RL?", "SFT\nor RL?"),
        ("09", "mmau_evaluation", "MMAU evaluation", "MMAU\nevaluation"),
        ("10", "scaling_up", "Scaling up", "scaling\nup"),
        ("11", "error_museum", "Error museum", "error\nmuseum"),
        ("12", "capstone", "Capstone", "capstone"),
    )
)


def find_notebook(number: str) -> Notebook:
    """The notebook of that number, like "06".

    Raises:
        KeyError: there is none.
    """
    for notebook in NOTEBOOKS:
        if notebook.number == number:
            return notebook
    raise KeyError(f"notebook {number!r}: numbers go from 00 to {NOTEBOOKS[-1].number}")
