"""The widgets of the course in a real browser: by names and roles, like a reader.

On JupyterLab with this environment's ipywidgets, and with those of Colab's image. JupyterLab 4 runs
no widget of ipywidgets 7, and Colab's own page is not to be had, so these are shown by the classic
notebook of the same image, whose widget manager is of their version.
"""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Locator, Page, expect

from r1aqa_helpers.utils.io import read_log

ROOT = Path(__file__).resolve().parents[2]
START_NOTEBOOK = ROOT / "notebooks" / "00_start.ipynb"
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class FrontEnd:
    """What shows a notebook: its module, its address, and where things are on its page."""

    module: str
    address: str
    idle: str  # what appears once the kernel waits
    menu: tuple[str, str]  # what to click to run all cells
    cell: str
    output: str
    prompt: str


LAB = FrontEnd(
    module="jupyterlab",
    address="lab/tree/{}?reset&token=",
    idle="#jp-main-statusbar :text('| Idle')",
    menu=('role=menuitem[name="Run"s]', 'role=menuitem[name="Run All Cells"s]'),
    cell=".jp-Notebook .jp-Cell",
    output=".jp-Cell-outputArea",
    prompt=".jp-Notebook .jp-CodeCell .jp-InputPrompt",
)
#: The classic notebook, as in Colab's image.
CLASSIC = FrontEnd(
    module="nbclassic",
    address="notebooks/{}?token=",
    idle="#kernel_indicator_icon.kernel_idle_icon",
    menu=("#celllink", "#run_all_cells"),
    cell="#notebook .cell",
    output=".output_wrapper",
    prompt="#notebook .code_cell .input_prompt",
)
#: JupyterLab without its questions, and with cells in the page that are scrolled out of sight.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
START = 120  # seconds that the server may take
CELL = 300  # seconds that a cell may take, imports of torch included
STEP = 30  # seconds until a click shows its effect

#: One of each kind; a file of three questions is put in for QUESTIONS.
WIDGETS = {
    "quiz": """
from pathlib import Path
from r1aqa_helpers import course
course.quiz("00")
""",
    "listening": """
from r1aqa_helpers.course.widgets.listening_test import listening_quiz
from r1aqa_helpers.data import read_questions
listening_quiz(read_questions(QUESTIONS), Path("answers.jsonl"))
""",
    "playground": """
from r1aqa_helpers.course.answer_groups import recorded_groups
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward
course.playground(recorded_groups(2), [accuracy_reward, format_reward(2)])
""",
    "browser": """
from r1aqa_helpers.course.widgets.question_browser import browse
browse(read_questions(QUESTIONS))
""",
    "upload": """
from r1aqa_helpers.course.widgets.own_recording import own_recording
mine = own_recording("upload", read_questions(QUESTIONS)[0].audio, Path("."))
""",
    "rollouts": """
course.rollout_viewer(course.load_run(course.REFERENCE, []))
""",
    "calculator": """
course.calculator("t4")
""",
}


@pytest.fixture(scope="module", params=[LAB, CLASSIC], ids=["JupyterLab", "Colab's ipywidgets"])
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return request.param


@pytest.fixture(scope="module")
def folder(front_end: FrontEnd, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the server under test; its settings are in ``.lab``."""
    return tmp_path_factory.mktemp(front_end.module)


@pytest.fixture(scope="module")
def server(
    front_end: FrontEnd, folder: Path, free_port, wait_for, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The address of a running server, ``{}`` in place of the notebook."""
    own = folder / ".lab"
    for name, values in SETTINGS.items():
        plugin = own / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        plugin.parent.mkdir(parents=True, exist_ok=True)
        plugin.write_text(json.dumps(values))
    port, token = free_port(), secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", front_end.module, "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
    ]
    variables = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
    }
    if front_end is CLASSIC:
        packages = request.getfixturevalue("colab_display")
        variables |= {
            "PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)]),
            "JUPYTER_PATH": str(packages / "share" / "jupyter"),
            "JUPYTER_CONFIG_PATH": str(packages / "etc" / "jupyter"),
        }
    log = folder / "server.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=variables)
    try:
        wait_for(process, f"{address}/api/status?token={token}", log)
        yield f"{address}/{front_end.address}{token}"
    finally:
        process.terminate()  # which ends its kernels too
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def opened(browser: Browser, front_end: FrontEnd, server: str, notebook: str) -> Iterator[Page]:
    """The page of a notebook, ready to be used."""
    expect.set_options(timeout=STEP * 1000)
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    try:
        page.goto(server.format(notebook))
        # The notebook is complete only once its kernel is idle.
        expect(page.locator(front_end.idle)).to_be_visible(timeout=START * 1000)
        page.set_default_timeout(STEP * 1000)
        yield page
    finally:
        page.close()


@pytest.fixture(scope="module")
def page(
    browser: Browser,
    front_end: FrontEnd,
    server: str,
    folder: Path,
    make_questions: Callable[..., tuple[Path, Path]],
) -> Iterator[Page]:
    """A notebook with one widget of each kind, all cells run."""
    questions = repr(str(make_questions(3)[1]))
    sources = [source.strip().replace("QUESTIONS", questions) for source in WIDGETS.values()]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [new_code_cell(source) for source in sources]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "widgets.ipynb")
    with opened(browser, front_end, server, "widgets.ipynb") as page:
        for item in front_end.menu:
            page.locator(item).click()
        last = page.locator(front_end.prompt).last
        expect(last).to_contain_text(f"[{len(sources)}]:", timeout=CELL * 1000)
        yield page


@pytest.fixture
def output(page: Page, front_end: FrontEnd) -> Callable[[str], Locator]:
    """Returns the output of the cell of one of WIDGETS."""
    cells = page.locator(front_end.cell)
    return lambda name: cells.nth(list(WIDGETS).index(name)).locator(front_end.output)


def press(area: Locator, name: str | re.Pattern) -> None:
    area.get_by_role("button", name=name).click()


def status(area: Locator, text: str) -> Locator:
    return area.get_by_role("status").filter(has_text=text)


def slide(row: Locator, key: str, times: int) -> None:
    """Move a slider by the keyboard; its handle has a name of its own in each ipywidgets."""
    handle = row.locator(".noUi-handle, .ui-slider-handle")
    for _ in range(times):
        handle.press(key)


def test_a_quiz_is_answered(page, output):
    area = output("quiz")
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


def test_a_clip_is_heard_and_answered(page, output, folder):
    area = output("listening")
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


def test_the_playground_follows_a_slider_and_an_edited_reward(page, output):
    area = output("playground")
    live = area.get_by_role("status")
    expect(live).to_contain_text("0 of 12 groups have zero variance")
    row = area.locator(".widget-hslider").filter(has_text="Weight of format_reward")
    slide(row, "ArrowLeft", 4)  # a quarter each
    expect(row.locator(".widget-readout")).to_have_text("0.00")
    expect(live).to_contain_text("3 of 12 groups have zero variance")

    source = area.get_by_label("Source of your reward")
    source.fill("def constant(completions, **columns): return [1.0]")
    press(area, "Use your reward")
    expect(live).to_contain_text("✗")  # one number for eight answers
    source.fill("def long(completions, **columns): return [float(len(t)) for t in completions]")
    press(area, "Use your reward")
    expect(live).to_contain_text("groups have zero variance")
    header = area.get_by_role("columnheader", name="your reward")
    expect(header).to_be_visible()
    # A page's own style of tables ends at a widget: columns must not run into one another.
    expect(header).not_to_have_css("padding-right", "0px")


def test_the_browser_shows_another_question(output):
    area = output("browser")
    expect(area.get_by_text("What makes sound 0?")).to_be_visible()
    area.get_by_label("task").select_option("speech")
    expect(area.get_by_text("What makes sound 2?")).to_be_visible()
    expect(area.get_by_role("img", name="Log-mel spectrogram of q2, 0.5 s")).to_be_visible()
    area.get_by_label("task").select_option("all")
    number = area.get_by_label("question", exact=True)
    expect(number).to_have_attribute("max", "3")  # until then a 2 would be taken for a 1
    number.fill("2")
    number.press("Enter")
    expect(area.get_by_text("What makes sound 1?")).to_be_visible()


def test_a_file_is_uploaded(page, output, folder, make_questions):
    area = output("upload")
    clip = next(make_questions(1)[0].parent.glob("clips/*.wav"))
    with page.expect_file_chooser() as chooser:
        press(area, re.compile("Choose a recording"))
    chooser.value.set_files(clip)
    expect(status(area, "a recording of 0.50 s. Run the next cells.")).to_be_visible()
    assert (folder / "upload-0").read_bytes() == clip.read_bytes()


def test_the_viewer_turns_to_another_step(output):
    area = output("rollouts")
    expect(area.get_by_text("Step 1", exact=True)).to_be_visible()
    slide(area.locator(".widget-hslider"), "ArrowRight", 1)
    expect(area.get_by_text("Step 1", exact=True)).to_have_count(0)


def test_the_calculator_computes_anew(output):
    area = output("calculator")
    live = area.get_by_role("status")
    before = live.inner_text()
    area.get_by_label("Profile").select_option("a100")
    expect(live).to_contain_text("of A100")
    assert live.inner_text() != before


def test_a_stored_notebook_shows_its_widgets_as_html(browser, front_end, server, folder):
    notebook = nbformat.read(START_NOTEBOOK, as_version=4)
    wanted = ("listening_quiz(", "course.quiz(")
    notebook.cells = [c for c in notebook.cells if any(name in c.source for name in wanted)]
    nbformat.write(notebook, folder / "stored.ipynb")
    with opened(browser, front_end, server, "stored.ipynb") as page:
        clips, quiz = page.locator(front_end.cell).nth(0), page.locator(front_end.cell).nth(1)
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
