"""Workshops are added up from what the notebooks take, and fit into their hours."""

import pytest
from course_times import BREAK, TALK, WORKSHOPS, Workshop, course_times, plan, plans, times_of

from r1aqa_helpers.course.notebooks import NOTEBOOKS

PROSE = """# A title

{words}

### Exercise 00.1 · One

Difficulty ●○○○○ · Importance ●●○○○ · 10 minutes

### Exercise 00.2 · Two

Difficulty ●●●●○ · Importance ●●●●● · 25 minutes
"""


def made(words: int = 400, seconds: float | None = 30):
    return times_of(NOTEBOOKS[0], PROSE.format(words="word " * words), seconds)


def test_reading_and_exercises_are_read_off_the_text():
    one = made()
    assert (one.reading, one.practice, one.run) == (2, 35, "30 s")
    assert [(e.number, e.importance, e.minutes) for e in one.exercises] == [
        ("00.1", 2, 10),
        ("00.2", 5, 25),
    ]
    assert made(seconds=None).run == "not measured"


@pytest.mark.parametrize(
    ("minutes", "which", "total"),
    [(30, "–", 8 + 20), (60, "00.2", 8 + 20 + 25), (90, "all", 8 + 20 + 35)],
)
def test_a_plan_takes_the_most_important_exercises_that_there_is_time_for(minutes, which, total):
    workshop = Workshop("w", minutes, ("00", ""), ("00",), 5, "the end")
    made_plan = plan(workshop, [made()])
    first, pause, end = made_plan.rows
    assert first[1:] == (which, 3 + TALK + (total - 28))
    assert (pause[2], end) == (BREAK, ("the end", "", 5))
    assert made_plan.total == total <= minutes


def test_every_workshop_fits_its_hours_and_names_notebooks_that_are_there():
    for one in plans(course_times()):
        assert one.total == sum(minutes for *_, minutes in one.rows)
        assert one.total <= one.workshop.minutes, one.workshop.title
    known = {one.number for one in NOTEBOOKS} | {""}
    assert all({*one.notebooks, *one.practice} <= known for one in WORKSHOPS)
