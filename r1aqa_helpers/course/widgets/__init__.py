"""How the course shows a widget: live where a front end runs it, as plain HTML everywhere else."""

import re
from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.display import display

from r1aqa_helpers.utils.untrusted import html, plain_lines

VIEW = "application/vnd.jupyter.widget-view+json"

#: Buttons over several lines, with a focus that stays visible and marks that have contrast in
#: light and dark themes; lines of text as close as in the notebook around them, and columns apart
#: where the page's style of tables ends at a widget (the classic notebook).
_STYLE = """<style>
.course-choice.jupyter-button { white-space: normal; height: auto; min-height: 32px;
  width: auto; max-width: 46em; text-align: left; line-height: 1.4; padding: 4px 12px; }
.course-choice.jupyter-button:focus-visible { outline: 3px solid #0072B2; outline-offset: 2px; }
.course-choice.jupyter-button.mod-success { background: #CDEBE0; color: #00382A;
  border-left: 5px solid #009E73; opacity: 1; }
.course-choice.jupyter-button.mod-warning { background: #FBE3D0; color: #522300;
  border-left: 5px solid #D55E00; opacity: 1; }
.course-note .widget-html-content { line-height: 1.5; }
.course-note th, .course-note td { padding: 2px 8px; }
</style>"""


def show(widget: ipywidgets.Widget, fallback: str, plain: str) -> None:
    """Display one output that holds a widget and what stands for it without a kernel.

    A live front end (JupyterLab, Notebook, VS Code, Colab) takes the widget; a stored notebook,
    whose build leaves the widget's view out, shows ``fallback``; a terminal shows ``plain``.

    Args:
        widget: any widget of ipywidgets' core.
        fallback: HTML, complete without a script.
        plain: the same in every run, for stored outputs are compared.
    """
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display({VIEW: view, "text/html": fallback, "text/plain": plain_lines(plain)}, raw=True)


def rich_text(text: str) -> str:
    """``text`` as HTML: escaped whole, and `code` between backticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html(text))


def fold(summary: str, content: str) -> str:
    """HTML: ``content`` (HTML) that a click on ``summary`` unfolds, without a script."""
    return f"<details><summary>{summary}</summary>{content}</details>"


def note(value: str = "") -> ipywidgets.HTML:
    """A piece of HTML in a column; the caller has escaped what is in it."""
    # The margin of ipywidgets' own would set it off from the buttons below.
    place = ipywidgets.HTML(value, layout=ipywidgets.Layout(margin="2px", max_width="60em"))
    place.add_class("course-note")
    return place


def say(place: ipywidgets.HTML, message: str) -> None:
    """Put ``message`` (HTML) into ``place`` as a status, which screen readers read out."""
    place.value = f'<div role="status" aria-live="polite">{message}</div>'


def choice(text: str, on_click: Callable[[], Any]) -> ipywidgets.Button:
    """A button that is named by its text, reached by Tab and pressed by Enter or Space."""
    # No markup is shown on a button: backticks around code go.
    button = ipywidgets.Button(description=re.sub(r"`([^`]+)`", r"\1", text))
    button.add_class("course-choice")
    button.on_click(lambda _: on_click())
    return button


def column(children: list[ipywidgets.Widget]) -> ipywidgets.VBox:
    """Widgets one below the other, in the course's style."""
    return ipywidgets.VBox([note(_STYLE), *children])


def mark(button: ipywidgets.Button, correct: bool) -> None:
    """Show a choice as correct or not: by an icon and a colour, of which either is enough."""
    button.icon = "check" if correct else "times"
    button.button_style = "success" if correct else "warning"
