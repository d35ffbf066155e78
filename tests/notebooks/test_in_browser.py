"""The widgets of the course in a real browser on JupyterLab: by names and roles, like a reader."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, expect

from r1aqa_helpers.utils.io import read_log

ROOT = Path(__file__).resolve().parents[2]
START_NOTEBOOK = ROOT / "notebooks" / "00_start.ipynb"
pytestmark = pytest.mark.slow
#: JupyterLab without its questions, and with cells in the page that are scrolled out of sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
START = 120  # seconds that the server may take
CELL = 300  # seconds that a cell may take, imports of torch included
STEP = 30  # seconds until a click shows its effect

QUIZ = 'from r1aqa_helpers import course\ncourse.quiz("00")'
LISTENING = """
from pathlib import Path
from r1aqa_helpers.course.widgets import listening_test as listening
from r1aqa_helpers.data import read_questions
listening.listening_quiz(read_questions({questions!r}), Path("answers.jsonl"))
"""
PLAYGROUND = """
from r1aqa_helpers.course.answer_groups import recorded_groups
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward
course.playground(recorded_groups(2), [accuracy_reward, format_reward(2)])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the JupyterLab under test; its settings are in ``.lab``."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(folder: Path, free_port, wait_for) -> Iterator[str]:
    """The address of a running JupyterLab, ``{}`` in place of the notebook."""
    own = folder / ".lab"
    for name, values in SETTINGS.items():
        plugin = own / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        plugin.parent.mkdir(parents=True, exist_ok=True)
        plugin.write_text(json.dumps(values))
    port, token = free_port(), secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
    ]
    variables = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
    }
    log = folder / "lab.log"
    with open(log, "wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=variables)
    try:
        wait_for(server, f"{address}/api/status?token={token}", log)
        yield f"{address}/lab/tree/{{}}?reset&token={token}"
    finally:
        server.terminate()  # which ends its kernels too
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def opened(browser: Browser, lab: str, notebook: str) -> Iterator[Page]:
    """The page of a notebook, ready to be used."""
    expect.set_options(timeout=STEP * 1000)
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    try:
        page.goto(lab.format(notebook))
        # The notebook is complete only once its kernel is idle.
        kernel = page.locator("#jp-main-statusbar").get_by_text("| Idle")
        expect(kernel).to_be_visible(timeout=START * 1000)
        page.set_default_timeout(STEP * 1000)
        yield page
    finally:
        page.close()


@pytest.fixture(scope="module")
def page(
    browser: Browser, lab: str, folder: Path, make_questions: Callable[..., tuple[Path, Path]]
) -> Iterator[Page]:
    """A notebook with quiz, listening test and playground, all cells run."""
    sources = [QUIZ, LISTENING.format(questions=str(make_questions(3)[1])), PLAYGROUND]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [new_code_cell(source) for source in sources]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "widgets.ipynb")
    with opened(browser, lab, "widgets.ipynb") as page:
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        last = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").last
        expect(last).to_have_text(f"[{len(sources)}]:", timeout=CELL * 1000)
        yield page


def output(page: Page, cell: int) -> Locator:
    """The output of the cell with this number, from 0."""
    return page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-Cell-outputArea")


def press(area: Locator, name: str | re.Pattern) -> None:
    area.get_by_role("button", name=name).click()


def status(area: Locator, text: str) -> Locator:
    return area.get_by_role("status").filter(has_text=text)


def test_a_quiz_is_answered(page):
    area = output(page, 0)
    expect(area.get_by_text("0 of 5 answered.")).to_be_visible()
    expect(area.get_by_text("Answer to question 1")).to_have_count(0)  # not the static HTML

    press(area, re.compile(r"^A\. To avoid all eight answers"))
    expect(status(area, "A. ✗ Wrong.")).to_be_visible()
    correct = area.get_by_role("button", name=re.compile(r"^C\. Nothing from the rewards: every"))
    correct.focus()
    page.keyboard.press("Enter")  # without a mouse
    expect(status(area, "C. ✓ Correct.")).to_be_visible()
    expect(area.get_by_text("1 of 5 answered.")).to_be_visible()

    press(area, re.compile(r"^A\. A clip, a question and the choices"))
    press(area, re.compile(r"^B\. It gained 10 points"))
    press(area, re.compile(r"^D\. It is likely between"))
    press(area, re.compile(r"^B\. At this scale"))
    expect(status(area, "4 of 5 correct at the first choice.")).to_be_visible()


def test_a_clip_is_heard_and_answered(page, folder):
    area = output(page, 1)
    sound = area.get_by_label("Clip 1 of 3, sound")
    sound.evaluate("player => player.load()")
    # A player that could decode its clip knows how long it is.
    page.wait_for_function("player => player.duration > 0.4", arg=sound.element_handle())

    expect(area.get_by_text("What makes sound 0?")).to_be_visible()
    expect(area.get_by_role("button", name="Next")).to_be_hidden()
    press(area, "bell")
    expect(status(area, "the answer is dog.")).to_be_visible()
    assert read_log(folder / "answers.jsonl") == [{"id": "q0", "answer": "bell"}]

    press(area, "Next")
    expect(area.get_by_text("What makes sound 1?")).to_be_visible()
    for answer in ("cat", "car"):
        press(area, answer)
        press(area, "Next")
    expect(area.get_by_role("row").filter(has_text="66.7, n 3")).to_contain_text("you")


def test_the_playground_follows_a_slider_and_an_edited_reward(page):
    area = output(page, 2)
    live = area.get_by_role("status")
    expect(live).to_contain_text("0 of 12 groups have zero variance")
    row = area.locator(".widget-hslider").filter(has_text="Weight of format_reward")
    handle = row.get_by_role("slider")
    handle.focus()
    for _ in range(4):  # a quarter each
        page.keyboard.press("ArrowLeft")
    expect(handle).to_have_attribute("aria-valuenow", "0.0")
    expect(live).to_contain_text("3 of 12 groups have zero variance")

    source = area.get_by_label("Source of your reward")
    source.fill("def constant(completions, **columns): return [1.0]")
    press(area, "Use your reward")
    expect(live).to_contain_text("✗")  # one number for eight answers
    source.fill("def long(completions, **columns): return [float(len(t)) for t in completions]")
    press(area, "Use your reward")
    expect(live).to_contain_text("groups have zero variance")
    expect(area.get_by_role("columnheader", name="your reward")).to_be_visible()


def test_a_stored_notebook_shows_its_widgets_as_html(browser, lab, folder):
    notebook = nbformat.read(START_NOTEBOOK, as_version=4)
    wanted = ("listening_quiz(", "course.quiz(")
    notebook.cells = [c for c in notebook.cells if any(name in c.source for name in wanted)]
    nbformat.write(notebook, folder / "stored.ipynb")
    with opened(browser, lab, "stored.ipynb") as page:
        clips, quiz = output(page, 0), output(page, 1)
        players = clips.get_by_role("figure", name=re.compile(r"^Clip \d+ of 5"))
        expect(players).to_have_count(5)
        # JupyterLab does not trust the file, and removes the elements that it does not know.
        expect(clips.locator("figure audio[controls]")).to_have_count(5)
        answer = clips.locator("details").first
        expect(answer.locator("p")).to_be_hidden()
        answer.get_by_text("Answer to clip 1").click()
        expect(answer.locator("p")).to_be_visible()
        quiz.get_by_text("Answer to question 5").click()
        expect(quiz.get_by_text("no difference was found").first).to_be_visible()
        expect(page.get_by_text("Error displaying widget")).to_have_count(0)
