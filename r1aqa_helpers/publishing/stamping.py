"""The address of the project's repository, written wherever it belongs.

It is given once, as ``[project.urls]`` in pyproject.toml; from there it is in CITATION.cff, in the
badges of both READMEs and of every notebook, and in the set-up cell.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from ..errors import UserError
from ..files import shown, shown_value, write_text

BRANCH = "main"
_REPO = re.compile(r"(?!.*--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?/[A-Za-z0-9._-]{1,100}")
_URL = re.compile(r"https://github\.com/([^/\s\"]+/[^/\s\"]+)")
_COLAB = "https://colab.research.google.com"
_KAGGLE = "https://kaggle.com"
_BEGIN, _END = "<!-- open:begin -->", "<!-- open:end -->"
_BADGES = re.compile(r"\[!\[Open in Colab\].*")
_REPOSITORY = re.compile(r'^REPOSITORY = ".*?"', re.MULTILINE)


def check_repo(repo: str) -> str:
    """OWNER/NAME as GitHub allows it, unchanged.

    Raises:
        UserError: it is something else, like a whole address.
    """
    name = repo.rpartition("/")[2]
    if not _REPO.fullmatch(repo) or name in (".", "..") or name.lower().endswith(".git"):
        raise UserError(
            f"--repo {shown_value(repo)}: is not OWNER/NAME of a GitHub repository;"
            " give it like ann/r1aqa"
        )
    return repo


def address(root: Path) -> str | None:
    """The address in pyproject.toml, or None where there is none yet."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"].get("urls", {}).get("Repository")


def stamped_as(root: Path) -> str | None:
    """OWNER/NAME of that address.

    Raises:
        UserError: it is not one that `stamp` wrote.
    """
    url = address(root)
    if url is None:
        return None
    match = _URL.fullmatch(url)
    if match is None:
        raise UserError(f"{shown(root / 'pyproject.toml')}: project.urls: is no GitHub address")
    return check_repo(match[1])


def check_clone(root: Path) -> None:
    """Raise `UserError` where a folder is no clone of the project."""
    if not (root / "pyproject.toml").is_file() or not _notebooks(root):
        raise UserError(
            f"{shown(root)}: is no clone of the project, only its installed package; clone the"
            " repository, and run the command there with uv run"
        )


def stamp(root: Path, repo: str, write: bool = True) -> list[Path]:
    """Write a repository's address everywhere; files that have it are left alone.

    Args:
        root: a clone.
        repo: OWNER/NAME.
        write: False to change nothing, and only say what would change.

    Returns:
        The files that change, relative to the clone.

    Raises:
        UserError: ``repo`` or ``root`` is none, or a file has no place for the address.
    """
    check_repo(repo)
    check_clone(root)
    changed = {}
    # All before any is written, so that a fault leaves the clone as it is.
    for path, change in _places(root, repo):
        old = path.read_bytes().decode("utf-8")
        new = change(old)
        if new != old:
            changed[path] = new
    for path, text in changed.items() if write else ():
        write_text(path, text)
    return [path.relative_to(root) for path in changed]


def badges(repo: str, notebook: str) -> str:
    """Markdown of the two badges that open a notebook of the folder ``notebooks``."""
    place = f"{repo}/blob/{BRANCH}/notebooks/{quote(notebook)}"
    colab = f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({_COLAB}/github/{place})"
    source = f"{_KAGGLE}/kernels/welcome?src=https://github.com/{place}"
    return f"{colab} [![Open in Kaggle]({_KAGGLE}/static/images/open-in-kaggle.svg)]({source})"


def _notebooks(root: Path) -> list[Path]:
    return sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def _places(root: Path, repo: str) -> Iterator[tuple[Path, Callable[[str], str]]]:
    url = f"https://github.com/{repo}"
    notebooks = _notebooks(root)
    rows = [f"| {p.name[:2]} | {badges(repo, p.name)} |" for p in notebooks]
    table = "\n".join(["| notebook | open |", "|---|---|", *rows])
    first = badges(repo, notebooks[0].name)
    yield root / "pyproject.toml", lambda text: _pyproject(text, url)
    yield root / "CITATION.cff", lambda text: _citation(text, url)
    yield root / "README.md", lambda text: _block(text, first)
    yield root / "notebooks" / "README.md", lambda text: _block(text, table)
    for path in notebooks:
        yield path, lambda text, name=path.name: _notebook(text, repo, name)


def _pyproject(text: str, url: str) -> str:
    line = f'Repository = "{url}"\n'
    section = re.search(r"^\[project\.urls\]\n", text, re.MULTILINE)
    if section is None:
        before = _place(r"^\[project\.scripts\]\n", text, "pyproject.toml")
        return f"{text[:before]}[project.urls]\n{line}\n{text[before:]}"
    head, rest = text[: section.end()], text[section.end() :]
    here, mark, after = rest.partition("\n[")
    old = re.compile(r"^Repository = .*\n", re.MULTILINE)
    here = old.sub(line, here + "\n", count=1) if old.search(here + "\n") else line + here + "\n"
    return head + (here[:-1] if mark else here.rstrip("\n") + "\n") + mark + after


def _citation(text: str, url: str) -> str:
    line = f'repository-code: "{url}"\n'
    old = re.compile(r"^repository-code: .*\n", re.MULTILINE)
    if old.search(text):
        return old.sub(line, text, count=1)
    before = _place(r"^license: ", text, "CITATION.cff")
    return f"{text[:before]}{line}{text[before:]}"


def _block(text: str, content: str) -> str:
    """Content between its marks; where there are none yet, under the title."""
    block = f"{_BEGIN}\n{content}\n{_END}"
    if _BEGIN in text and _END in text:
        return f"{text.split(_BEGIN)[0]}{block}{text.split(_END, 1)[1]}"
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{block}\n\n{rest}"


def _notebook(text: str, repo: str, name: str) -> str:
    """A notebook with its badges and its address; outputs, ids and the file's form stay."""
    notebook = json.loads(text)
    first = notebook["cells"][0]
    source = "".join(first["source"])
    line = badges(repo, name)
    if _BADGES.search(source):
        source = _BADGES.sub(lambda _: line, source, count=1)
    else:
        title, _, rest = source.partition("\n\n")
        source = f"{title}\n\n{line}\n\n{rest}"
    first["source"] = source.splitlines(keepends=True)
    setup = [c for c in notebook["cells"] if "setup" in c["metadata"].get("tags", [])]
    for cell in setup:
        source = "".join(cell["source"])
        if not _REPOSITORY.search(source):
            raise UserError(f"notebooks/{name}: its set-up cell has no line REPOSITORY = …")
        new = f'REPOSITORY = "https://github.com/{repo}"'
        cell["source"] = _REPOSITORY.sub(new, source, count=1).splitlines(keepends=True)
    if not setup:
        raise UserError(f"notebooks/{name}: has no cell tagged setup")
    # As nbformat writes it.
    new = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    return new + "\n" * text.endswith("\n")


def _place(pattern: str, text: str, file: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise UserError(f"{file}: has no place for the address; restore the file")
    return found.start()
