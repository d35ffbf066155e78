"""Where the project's data lie."""

from pathlib import Path

#: The repository's data folder: an editable install (uv's default for a checkout) keeps
#: the package beside it.
DATA = Path(__file__).resolve().parents[2] / "data"
TINY = DATA / "tiny"
#: What the experiment and other measurements on the tiny track came to.
TINY_RESULTS = DATA / "results" / "tiny"


def place(model: str | Path) -> str:
    """A model of this project by its place in it, so that results name no machine's folders."""
    root, path = DATA.parent, Path(model)
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(model)
