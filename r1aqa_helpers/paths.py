"""Where the project's data lie."""

from pathlib import Path

#: The repository's data folder: an editable install (uv's default for a checkout) keeps
#: the package beside it.
DATA = Path(__file__).resolve().parent.parent / "data"
TINY = DATA / "tiny"
