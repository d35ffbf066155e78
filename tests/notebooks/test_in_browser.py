"""The widgets of the course in a real browser on JupyterLab: by names and roles, as by a reader."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from browser import browser, chromium, jupyter_lab, opened, output, run_all, slider, write_notebook
from playwright.sync_api import Browser, Locator, Page, expect

from r1aqa_helpers.utils.io import read_log

ROOT = Path(__file__).resolve().parents[2]
WELCOME = ROOT / "notebooks" / "00_welcome.ipynb"
EXECUTABLE = chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium on this machine"),
]

LISTENING = """
from pathlib import Path
from r1aqa_helpers.course.widgets import listening_test as listening
from r1aqa_helpers.data import read_questions
ten = read_questions({questions!r})
listening.listening_quiz(ten, Path("answers.jsonl"))
"""
PLAYGROUND = """
from r1aqa_helpers.course.answer_groups import recorded_groups
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward
course.playground(recorded_groups(2), [accuracy_reward, format_reward(2)])
"""
QUIZ_CELL, LISTENING_CELL, PLAYGROUND_CELL = range(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the JupyterLab under test."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    """The address of a running JupyterLab."""
    with jupyter_lab(folder) as url:
        yield url


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    """A running browser."""
    with browser(EXECUTABLE) as running:
        yield running


@pytest.fixture(scope="module")
def page(
    started: Browser, lab: str, folder: Path, make_questions: Callable[..., tuple[Path, Path]]
) -> Iterator[Page]:
    """A notebook with the widgets under test, all cells run."""
    sources = [
        'from r1aqa_helpers import course\ncourse.quiz("00")',
        LISTENING.format(questions=str(make_questions(3)[1])),
        PLAYGROUND,
    ]
    write_notebook(folder / "widgets.ipynb", sources)
    with opened(started, lab, "widgets.ipynb") as page:
        run_all(page)
        yield page


def press(area: Locator, name: str | re.Pattern) -> None:
    area.get_by_role("button", name=name).click()


def status(area: Locator, text: str) -> Locator:
    return area.get_by_role("status").filter(has_text=text)


def test_a_quiz_is_answered(page: Page) -> None:
    area = output(page, QUIZ_CELL)
    expect(area.get_by_text("0 of 5 answered.")).to_be_visible()
    expect(area.get_by_text("Answer to question 1")).to_have_count(0)  # not the static form

    press(area, re.compile(r"^A\. To avoid all eight answers"))
    expect(status(area, "A. ✗ Not right.")).to_be_visible()
    expect(status(area, "some answer that did better")).to_be_visible()

    right = area.get_by_role("button", name=re.compile(r"^C\. Nothing: every advantage is zero"))
    right.focus()
    page.keyboard.press("Enter")  # as without a mouse
    expect(status(area, "C. ✓ Right.")).to_be_visible()
    expect(area.get_by_text("1 of 5 answered.")).to_be_visible()

    press(area, re.compile(r"^A\. A clip, a question and the choices"))
    press(area, re.compile(r"^B\. It gained 10 points"))
    press(area, re.compile(r"^D\. It is likely between"))
    press(area, re.compile(r"^B\. At this scale"))
    expect(status(area, "4 of 5 right at the first choice.")).to_be_visible()


def test_a_clip_is_heard_and_answered(page: Page, folder: Path) -> None:
    area = output(page, LISTENING_CELL)
    sound = area.get_by_label("Clip 1 of 3, sound")
    sound.evaluate("player => player.load()")
    # A player that could decode its clip knows how long it is.
    page.wait_for_function("player => player.duration > 0.4", arg=sound.element_handle())

    expect(area.get_by_text("What makes sound 0?")).to_be_visible()
    expect(area.get_by_role("button", name="Next clip")).to_be_hidden()
    press(area, "bell")
    expect(status(area, "You said bell; the answer is dog.")).to_be_visible()
    assert read_log(folder / "answers.jsonl") == [{"id": "q0", "answer": "bell"}]

    press(area, "Next clip")
    expect(area.get_by_text("What makes sound 1?")).to_be_visible()
    press(area, "cat")
    press(area, "Next clip")
    press(area, "car")
    press(area, "See my row")
    expect(area.get_by_role("row").filter(has_text="66.7, n 3")).to_contain_text("you")


def test_the_playground_follows_a_slider_and_an_edited_reward(page: Page) -> None:
    area = output(page, PLAYGROUND_CELL)
    live = area.get_by_role("status")
    expect(live).to_contain_text("7 of 12 groups are live")
    handle = slider(area, "Weight of accuracy_reward")
    handle.focus()
    for _ in range(4):  # a quarter each
        page.keyboard.press("ArrowLeft")
    expect(handle).to_have_attribute("aria-valuenow", "0.0")
    expect(live).to_contain_text("3 of 12 groups are live")

    source = area.get_by_label("Source of your reward")
    source.fill("def constant(completions, solution, choices, **columns): return [1.0]")
    press(area, "Use your reward")
    expect(live).to_contain_text("✗")  # one number for eight answers

    source.fill(
        "def long(completions, solution, choices, **columns):\n"
        "    return [float(len(text)) for text in completions]"
    )
    press(area, "Use your reward")
    expect(live).to_contain_text("groups are live")
    expect(area.get_by_role("columnheader", name="your reward")).to_be_visible()


def test_a_stored_notebook_shows_its_widgets_as_pages(
    started: Browser, lab: str, folder: Path
) -> None:
    notebook = nbformat.read(WELCOME, as_version=4)
    wanted = ("listening.listening_quiz(", "course.quiz(")
    notebook.cells = [c for c in notebook.cells if any(name in c.source for name in wanted)]
    nbformat.write(notebook, folder / "stored.ipynb")
    with opened(started, lab, "stored.ipynb") as page:
        clips, quiz = output(page, 0), output(page, 1)
        players = clips.get_by_role("figure", name=re.compile(r"^Clip \d+ of 10"))
        expect(players).to_have_count(10)
        # Also where JupyterLab does not trust the file, and cuts what it does not know.
        expect(clips.locator("figure audio[controls]")).to_have_count(10)
        answer = clips.locator("details").first
        expect(answer.locator("p")).to_be_hidden()
        answer.get_by_text("Answer to clip 1").click()
        expect(answer.locator("p")).to_be_visible()
        quiz.get_by_text("Answer to question 5").click()
        expect(quiz.get_by_text("no difference was found").first).to_be_visible()
        expect(page.get_by_text("Error displaying widget")).to_have_count(0)
