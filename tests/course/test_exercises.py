"""Every exercise's check, with the folded solution, the untouched stub and wrong answers.

Wrong answers are in ``wrong_answers/nNN.txt``: ``## `` and the exercise, then for each answer
``# `` and a part of the message that it must get, and its code. Code that begins with spaces
follows the first line of the exercise's first answer; lines ``old => new`` edit that answer.
An answer called ``correct`` is there to be edited. Each mistake must get a message of its own.
"""

import ast
import contextlib
import functools
import io
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

from r1aqa_helpers.course.exercise import CORRECT, OPEN, WRONG, exercise, expect
from r1aqa_helpers.course.notebooks import NOTEBOOKS, find_notebook

ROOT = Path(__file__).resolve().parents[2]
ANATOMY = runpy.run_path(str(ROOT / "scripts" / "anatomy.py"))
LEAST_WRONG = 2


@functools.cache
def notebook(number: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / find_notebook(number).file, as_version=4)


def exercises() -> list[tuple[str, str]]:
    """Notebook and exercise, of every exercise of the course that has a check.

    What comes after the text of an open one is no stub but its solution.
    """
    found = []
    for one in NOTEBOOKS:
        cells = notebook(one.number).cells
        for cell, after in zip(cells, cells[1:], strict=False):
            if after.cell_type == "code":
                found += [(one.number, n) for n in ANATOMY["EXERCISE"].findall(cell.source)]
    return found


def earlier_functions(number: str, named: str) -> str:
    """The functions of the solutions before an exercise, which its answer may use."""
    solutions = ANATOMY["solutions"](notebook(number)).items()
    codes = [code for other, code in solutions if int(other[3:]) < int(named[3:])]
    nodes = [node for code in codes for node in ast.parse(code).body]
    return "\n".join(ast.unparse(node) for node in nodes if isinstance(node, ast.FunctionDef))


def verdict(number: str, named: str, answer: str | None) -> tuple[str, str]:
    """The verdict of an exercise's check on a source in place of the stub; None: the stub."""
    cells = notebook(number).cells
    index = next(i for i, c in enumerate(cells) if f"### Exercise {named} · " in c.source)
    stub, call = ANATOMY["stub"](cells[index + 1].source)
    space: dict[str, Any] = {}
    exec(ANATOMY["imports"](notebook(number)), space)
    exec(earlier_functions(number, named), space)
    exec(compile(stub if answer is None else answer, "<answer>", "exec"), space)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(call, space)
    mark, exercise_number, line = printed.getvalue().rstrip().splitlines()[-1].split(" ", 2)
    assert exercise_number == named, "the stub's last line calls its own check"
    return mark, line


def answers(number: str) -> dict[str, list[tuple[str, str]]]:
    """Exercise -> (piece of the message, code), of a notebook's file of wrong answers."""
    path = Path(__file__).parent / "wrong_answers" / f"n{number}.txt"
    found: dict[str, list[tuple[str, str]]] = {}
    for section in path.read_text().split("## ")[1:]:
        named, *entries = section.split("\n# ")
        whole = ""
        for entry in entries:
            fragment, code = entry.rstrip().split("\n", 1)
            if " =>" in code.split("\n")[0]:
                edits, code = code, whole
                for old, new in (line.split(" =>") for line in edits.split("\n")):
                    assert code.count(old) == 1, f"{named}: {old!r} is to be there once"
                    code = code.replace(old, new.strip())
            elif code.startswith(" "):
                code = whole.split("\n")[0] + "\n" + code
            whole = whole or code
            found.setdefault(named, []).append((fragment, code))
    return found


@pytest.mark.parametrize(("number", "named"), exercises())
def test_an_exercise_names_each_mistake_and_passes_its_solution(number, named):
    mark, line = verdict(number, named, ANATOMY["solutions"](notebook(number))[named])
    assert mark == CORRECT, line
    assert verdict(number, named, None) == (OPEN, "not done yet")
    lines = []
    for fragment, code in answers(number)[named]:
        mark, line = verdict(number, named, code)
        if fragment == "correct":
            assert mark == CORRECT, line
            continue
        assert mark == WRONG, f"accepted as correct:\n{code}"
        assert fragment in line, code
        lines.append(line)
    assert len(lines) >= LEAST_WRONG
    assert len(set(lines)) == len(lines), "two mistakes get the same message"


@exercise("99.1", passed="two is even")
def even(answer: Any) -> None:
    got = answer(1) if callable(answer) else answer
    expect(got == 2, "not two")


def unwritten(x: int) -> int:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "mark", "line"),
    [
        (2, CORRECT, "correct: two is even"),
        (4, WRONG, "not two"),
        (None, OPEN, "not done yet"),
        (..., OPEN, "not done yet"),
        (lambda x: None, OPEN, "not done yet"),
        (unwritten, OPEN, "not done yet"),
        (lambda x: 2 * x, CORRECT, "correct: two is even"),
    ],
)
def test_a_check_says_open_correct_or_wrong(answer, mark, line):
    assert even.verdict(answer) == (mark, line)


def test_a_check_reports_a_learners_exception_in_one_line():
    space: dict[str, Any] = {}
    exec(compile("def answer(x):\n    return [][x]", "<answer>", "exec"), space)
    told = "your code raised IndexError in line 2 of the cell: list index out of range"
    assert even.verdict(space["answer"]) == (WRONG, told)
