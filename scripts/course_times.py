"""What the notebooks take: to run, to read, and for their exercises; and workshops of them."""

import json
import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from anatomy import EXERCISE

from r1aqa_helpers.course.notebooks import MEASURED, NOTEBOOKS, Notebook
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.utils.io import read_json

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
WORDS_PER_MINUTE = 200
_RATING = re.compile(
    r"^Difficulty \S+ · (?:Importance (?P<importance>●*)\S* · )?(?P<minutes>\d+) minutes$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Exercise:
    """One exercise: its number, like "05.1", what it matters (0 to 5), and its minutes."""

    number: str
    importance: int
    minutes: int


@dataclass(frozen=True)
class Times:
    """What a notebook takes; ``seconds`` is None where its run has not been measured."""

    notebook: Notebook
    seconds: float | None
    reading: int
    exercises: tuple[Exercise, ...]

    @property
    def practice(self) -> int:
        """Minutes of all exercises."""
        return sum(one.minutes for one in self.exercises)

    @property
    def run(self) -> str:
        """The run's time as text."""
        return "not measured" if self.seconds is None else f"{self.seconds:.0f} s"


def times_of(notebook: Notebook, prose: str, seconds: float | None) -> Times:
    """Read off a notebook's text what it takes."""
    plain = re.sub(r"```.*?```|<[^>]+>|`[^`\n]*`|\]\([^)]*\)", " ", prose, flags=re.DOTALL)
    words = len(re.findall(r"[A-Za-z0-9][\w'’.-]*", plain))
    parts = EXERCISE.split(prose)[1:]  # number, what follows it, number, …
    exercises = []
    for number, text in zip(parts[::2], parts[1::2], strict=True):
        if rating := _RATING.search(text):
            importance = len(rating["importance"] or "")
            exercises.append(Exercise(number, importance, int(rating["minutes"])))
    return Times(notebook, seconds, round(words / WORDS_PER_MINUTE), tuple(exercises))


def course_times() -> list[Times]:
    """What each of the course's notebooks takes, in order."""
    measured = read_json(MEASURED)
    found = []
    for one in NOTEBOOKS:
        cells = json.loads((FOLDER / one.file).read_text(encoding="utf-8"))["cells"]
        prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        took = measured.get(one.number, {}).get(TINY_PROFILE.name)
        found.append(times_of(one, prose, took["seconds"] if took else None))
    return found


@dataclass(frozen=True)
class Workshop:
    """A workshop: the notebooks in order, "" where there is a break, and what is done at the end.

    ``practice`` names the notebooks whose exercises are done in the room; as many of them are
    planned as there is time for, the most important first.
    """

    title: str
    minutes: int
    notebooks: tuple[str, ...]
    practice: tuple[str, ...]
    closing: int
    end: str


#: Minutes for questions after each notebook, and of a break.
TALK, BREAK = 5, 15
TABLE = "the table that `uv run r1aqa reproduce` has made meanwhile"
WORKSHOPS = (
    Workshop("Half a day: what GRPO does to a model that hears", 240,
             ("00", "04", "", "05", "06"), ("05", "04", "00"), 20, TABLE),
    Workshop("A full day: from a clip to a trained model", 420,
             ("00", "01", "03", "", "04", "05", "", "06", "07"),
             ("05", "04", "03", "01", "00"), 30, TABLE),
    Workshop("Two days, the first: the model, the test and the rewards", 420,
             ("00", "01", "", "02", "03", "", "04"), ("04", "03", "01", "02", "00"), 45,
             "everyone records a sound, asks the model about it, and looks at its log-mel"),
    Workshop("Two days, the second: training, and what may be said of it", 420,
             ("05", "06", "", "07", "08", "", "10"), ("05", "07", "06", "08", "10"), 60,
             "a run in pairs with a reward of one's own; each pair's accuracy, with its interval, "
             "goes on the board"),
)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A workshop added up: rows of what, exercises and minutes."""

    workshop: Workshop
    rows: tuple[tuple[str, str, int], ...]

    @property
    def total(self) -> int:
        """Minutes of all of it."""
        return sum(minutes for *_, minutes in self.rows)


def plan(workshop: Workshop, course: list[Times]) -> Plan:
    """Add a workshop up, and fill the time that is left with exercises."""
    by_number = {one.notebook.number: one for one in course}
    needed = {
        number: ceil(one.reading + (one.seconds or 0) / 60) + TALK
        for number, one in by_number.items()
    }
    fixed = sum(needed.get(number, BREAK) for number in workshop.notebooks) + workshop.closing
    left, chosen = workshop.minutes - fixed, set()
    wanted = [one for number in workshop.practice for one in by_number[number].exercises]
    for one in sorted(wanted, key=lambda one: -one.importance):
        if one.minutes <= left:
            left -= one.minutes
            chosen.add(one)
    rows = []
    for number in workshop.notebooks:
        if not number:
            rows.append(("*break*", "", BREAK))
            continue
        one = by_number[number]
        done = [exercise for exercise in one.exercises if exercise in chosen]
        which = ", ".join(exercise.number for exercise in done)
        if done and len(done) == len(one.exercises):
            which = "all"
        title = f"[{number} · {one.notebook.title}](../notebooks/{one.notebook.file})"
        rows.append((title, which or "–", needed[number] + sum(e.minutes for e in done)))
    rows.append((workshop.end, "", workshop.closing))
    return Plan(workshop, tuple(rows))


def plans(course: list[Times]) -> list[Plan]:
    """All workshops, added up."""
    return [plan(one, course) for one in WORKSHOPS]
