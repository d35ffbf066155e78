"""Hostile text is shown as text: on a terminal, in HTML, in Markdown."""

import html
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1aqa_helpers.utils import untrusted
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import LINE, MESSAGE, NAME, VALUE

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "title of the window": "\x1b]0;owned\x07",
    "8-bit escape": "\x9b31m",
    "right to left": "abc\u202egnp.exe",
    "isolates": "\u2066a\u2069\u200f\u061c",
    "back": "good\rbad\x08\x7f",
    "lines": "a\nerror: b\x0bc\x85d\u2028e",
    "unpaired": "\ud800",
    "zero width": "a\u200bb\ufeff",
    "tags": "a\U000e0041b",
    "long": "x" * 5000,
    "long and hostile": "\U000e0041" * 5000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_name_is_one_printable_line_of_bounded_length(text):
    for made in (untrusted.plain(text), untrusted.shown(text), untrusted.markdown(text)):
        assert made.isprintable() and len(made) <= 2 * NAME
    for value in (text, [text], {text: text}):
        made = untrusted.shown_value(value)
        assert made.isprintable() and len(made) <= VALUE
    made = untrusted.first_line(ValueError(f"{text}\nmore"))
    assert made.isprintable() and len(made) <= NAME and "more" not in made
    for line in untrusted.plain_lines(text).split("\n"):
        assert line.isprintable() and len(line) <= LINE
    assert untrusted.html(text).replace("\n", "").isprintable()


def test_what_can_be_printed_stays_as_it_is():
    for text in ("Piano, 4 notes", "Ünïcödé", "雨の音", "مطر", "🎵", "C:\\new", ""):
        assert untrusted.plain(text) == untrusted.plain_lines(text) == text
    assert untrusted.plain("a\u3000b\xa0c") == "a b c"
    assert untrusted.plain("\x1b[31m\n") == "\\x1b[31m\\n"
    assert untrusted.plain_lines("a\r\n\tb\n") == "a\n        b\n"


def test_of_a_long_name_both_ends_are_shown():
    made = untrusted.shown(f"/first/{'x' * 5000}/last.json")
    assert made.startswith("/first/") and made.endswith("/last.json") and len(made) == NAME


@pytest.mark.parametrize("value", [10**5000, -(10**5000), [10**5000]], ids=["", "below", "listed"])
def test_values_that_python_does_not_write_are_told_by_their_kind(value):
    assert untrusted.shown_value(value).endswith(" too large to show")
    deep = json.loads("[" * 900 + "]" * 900)
    assert len(untrusted.shown_value(deep)) <= VALUE


@given(st.text())
def test_html_gives_the_text_back_and_no_markup(text):
    made = untrusted.html(text)
    assert not set("<>\"'") & set(made)
    assert html.unescape(made) == untrusted.plain_lines(text, None)


def test_an_error_is_a_printable_line_wherever_it_is_shown():
    error = UserError(f"question a\x1b[2J\u202e\nerror: forged: {'x' * 5000} has no answer")
    assert str(error).isprintable() and len(str(error)) <= MESSAGE
    assert str(error).startswith(r"question a\x1b[2J\u202e\nerror: forged: xxx")
    assert str(error).endswith("xxx has no answer")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # as between processes
