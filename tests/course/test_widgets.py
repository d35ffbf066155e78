"""Showing a widget: live, as static HTML, and as text that is the same in every run."""

import ipywidgets
import pytest

from r1aqa_helpers.course import widgets


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What `show` hands to the front end."""
    bundles: list[dict] = []
    monkeypatch.setattr(widgets, "display", lambda data, raw: bundles.append(data))
    return bundles


def test_one_output_holds_the_widget_and_what_stands_for_it(shown: list[dict]) -> None:
    button = ipywidgets.Button()
    widgets.show(button, "<p>static</p>", "plain")
    assert shown == [
        {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": button.model_id,
            },
            "text/html": "<p>static</p>",
            "text/plain": "plain",
        }
    ]


def test_text_is_escaped_and_only_code_is_markup() -> None:
    text = '`a < b` & <b>not bold</b> "quoted" `<script>`'
    assert widgets.rich_text(text) == (
        "<code>a &lt; b</code> &amp; &lt;b&gt;not bold&lt;/b&gt; &quot;quoted&quot; "
        "<code>&lt;script&gt;</code>"
    )
    assert widgets.rich_text("one ` alone") == "one ` alone"
    assert widgets.plain_text("set `top_k=0` here") == "set top_k=0 here"


def test_a_choice_is_marked_by_icon_and_colour_and_calls_back() -> None:
    pressed = []
    button = widgets.choice("`yes`", lambda: pressed.append(1))
    assert button.description == "yes"
    button.click()
    assert pressed == [1]
    widgets.mark(button, True)
    assert (button.icon, button.button_style) == ("check", "success")
    widgets.mark(button, False)
    assert (button.icon, button.button_style) == ("times", "warning")


def test_what_is_said_is_a_status() -> None:
    place = widgets.note()
    widgets.say(place, "<b>Right.</b>")
    assert place.value == '<div role="status" aria-live="polite"><b>Right.</b></div>'
