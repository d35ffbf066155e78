"""Failing on purpose: an error as one line, and what transformers wrote to its log meanwhile."""

import io
import logging
from collections.abc import Callable

import transformers


def attempt(call: Callable[[], object]) -> None:
    """Print what a call returns, or the first line of the error that it raises."""
    try:
        print(call())
    except Exception as error:
        lines = str(error).strip().splitlines()
        print(f"{type(error).__name__}: {lines[0] if lines else ''}")


class LibraryLog:
    """What transformers logs from now on, warnings and errors, until ``close``."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._handler = logging.StreamHandler(self._text)
        self._before = transformers.logging.get_verbosity()
        transformers.logging.disable_default_handler()
        transformers.logging.add_handler(self._handler)
        transformers.logging.set_verbosity_warning()

    def show(self) -> None:
        """Print what has been logged since the last call."""
        print("logged:", self._text.getvalue().strip() or "nothing")
        self._text.seek(0)
        self._text.truncate()

    def close(self) -> None:
        """Let transformers log where and what it did before."""
        transformers.logging.remove_handler(self._handler)
        transformers.logging.enable_default_handler()
        transformers.logging.set_verbosity(self._before)
