"""The course's twelve notebooks, in order, and the card with what each takes to run."""

from dataclasses import dataclass

from IPython.display import display

from r1aqa_helpers.course.tables import Table
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

#: Written by ``scripts/notebooks.py measure``: number -> profile -> measurement.
MEASURED = DATA / "course" / "notebooks.json"


@dataclass(frozen=True)
class Notebook:
    """One notebook: number, file name, title, and a short title for the map."""

    number: str
    file: str
    title: str
    short: str


NOTEBOOKS = tuple(
    Notebook(number, f"{number}_{name}.ipynb", title, short)
    for number, name, title, short in (
        ("00", "start", "Start", "start"),
        ("01", "inference", "Qwen2-Audio inference", "inference"),
        ("02", "inside_the_model", "Inside the model", "inside\nthe model"),
        ("03", "questions_and_scores", "Questions and scores", "questions\nand scores"),
        ("04", "rewards", "Rewards", "rewards"),
        ("05", "grpo_from_scratch", "GRPO from scratch", "GRPO from\nscratch"),
        ("06", "full_run", "The full run", "the full\nrun"),
        ("07", "sft_or_rl", "SFT or RL?", "SFT\nor RL?"),
        ("08", "mmau_evaluation", "MMAU evaluation", "MMAU\nevaluation"),
        ("09", "full_size", "Full size", "full size"),
        ("10", "debugging_clinic", "Debugging clinic", "debugging\nclinic"),
        ("11", "capstone", "Capstone", "capstone"),
    )
)


def find_notebook(number: str) -> Notebook:
    """The notebook of that number, like "06".

    Raises:
        KeyError: there is none.
    """
    return {notebook.number: notebook for notebook in NOTEBOOKS}[number]


def card_table(number: str) -> Table:
    """The measured time and memory of one notebook, a row per profile that it was run with.

    Raises:
        KeyError: there is no notebook of that number.
        UserError: the file of measurements cannot be read.
    """
    measured = read_json(MEASURED).get(number, {})
    rows = []
    for name in (name for name in PROFILES if name in measured):
        row, seconds = measured[name], measured[name]["seconds"]
        time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
        rows.append((name, time, f"{row['peak_gb']:.1f} GB", f"{row['hardware']}, {row['date']}"))
    title = f"Notebook {number}, {find_notebook(number).title}, run from top to bottom"
    return Table(title, rows, ("profile", "time", "peak memory", "measured on"))


def card(number: str) -> None:
    """Show a notebook's card; errors as `card_table`'s."""
    display(card_table(number))
