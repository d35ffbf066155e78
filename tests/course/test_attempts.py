"""Failing on purpose, and the library's log."""

import pytest
import transformers

from r1aqa_helpers.course.lessons.n01 import LibraryLog, attempt


def test_an_attempt_prints_the_result_or_the_errors_first_line(
    capsys: pytest.CaptureFixture,
) -> None:
    def fail() -> None:
        raise ValueError("first line\nsecond line")

    def fail_silently() -> None:
        raise KeyError

    attempt(lambda: 3)
    attempt(fail)
    attempt(fail_silently)
    assert capsys.readouterr().out == "3\nValueError: first line\nKeyError: \n"


def test_the_log_is_shown_once_and_given_back(capsys: pytest.CaptureFixture) -> None:
    before = transformers.logging.get_verbosity()
    log = LibraryLog()
    transformers.logging.get_logger("transformers.models").warning("mind the gap")
    log.show()
    log.show()
    log.close()
    assert capsys.readouterr().out == "logged: mind the gap\nlogged: nothing\n"
    assert transformers.logging.get_verbosity() == before
