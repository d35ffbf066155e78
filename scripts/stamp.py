"""Write the repository's address: pyproject.toml, CITATION.cff, badges, set-up cells.

    uv run scripts/stamp.py OWNER/NAME           write it everywhere
    uv run scripts/stamp.py OWNER/NAME --check   only say what would change; exit 1 when anything

For anyone who publishes a copy: run it once in a clone, and commit what it changed.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import write_text

ROOT = Path(__file__).resolve().parent.parent
#: Owner and name as GitHub allows them.
REPO = re.compile(r"(?!.*--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,37}[A-Za-z0-9])?/[A-Za-z0-9._-]{1,100}")
COLAB, KAGGLE = "https://colab.research.google.com", "https://kaggle.com"
SITE_BADGE = "https://img.shields.io/badge/site-read_the_course-blue"
BADGES = re.compile(r"\[!\[Open in Colab\].*")


def badges(repo: str, notebook: str) -> str:
    """Markdown of the two badges that open a notebook."""
    place = f"{repo}/blob/main/notebooks/{notebook}"
    colab = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({COLAB}/github/{place})"
    source = f"{KAGGLE}/kernels/welcome?src=https://github.com/{place}"
    return f"{colab} [![Open in Kaggle]({KAGGLE}/static/images/open-in-kaggle.svg)]({source})"


def site(repo: str) -> str:
    """Where GitHub Pages serves the repository's site."""
    owner, name = repo.split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def under_title(text: str, block: str, old: re.Pattern) -> str:
    """``text`` with ``block`` in the place of ``old``, or under its title."""
    if old.search(text):
        return old.sub(lambda _: block, text, count=1)
    title, _, rest = text.partition("\n\n")
    return f"{title}\n\n{block}\n\n{rest}"


def line(text: str, new: str, old: str, before: str) -> str:
    """``text`` with ``new`` in place of the line ``old``, or before the line ``before``."""
    for pattern, replacement in ((old, new), (before, f"{new}\\g<0>")):
        text, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        if count:
            return text
    raise UserError(f"no line like {before!r}: restore the file")


def project(text: str, url: str) -> str:
    """pyproject.toml with its address; other addresses of the project stay."""
    if "\n[project.urls]\n" not in text:
        text = line(text, "[project.urls]\n\n", "(?!)", r"^\[project\.scripts\]")
    new = f'Repository = "{url}"\n'
    return line(text, new, "^Repository = .*\n", r"(?<=\[project\.urls\]\n)")


def notebook(text: str, repo: str, name: str) -> str:
    """A notebook with its badges and address; outputs, ids and the file's format stay."""
    content = json.loads(text)
    cells = content["cells"]
    hosted = next(c for c in cells if "hosted" in c["metadata"].get("tags", []))
    address = f'REPOSITORY = "https://github.com/{repo}"'
    for cell, source in (
        (cells[0], under_title("".join(cells[0]["source"]), badges(repo, name), BADGES)),
        (hosted, line("".join(hosted["source"]), address, '^REPOSITORY = ".*?"', "(?!)")),
    ):
        cell["source"] = source.splitlines(keepends=True)
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def stamped(root: Path, repo: str) -> dict[Path, str]:
    """The new text of every file that says something else than ``repo`` so far.

    Raises:
        UserError: ``repo`` is not OWNER/NAME, or a file has no place for the address.
    """
    if not REPO.fullmatch(repo) or repo.endswith((".git", "/.", "/..")):
        raise UserError(f"{repo!r}: is not OWNER/NAME of a GitHub repository, like ann/r1aqa")
    url, names = f"https://github.com/{repo}", sorted((root / "notebooks").glob("[0-9]*_*.ipynb"))
    block = re.compile(r"<!-- open:begin -->.*<!-- open:end -->", re.DOTALL)
    rows = "".join(f"\n| {p.name[:2]} | {badges(repo, p.name)} |" for p in names)
    table = f"<!-- open:begin -->\n| notebook | open |\n|---|---|{rows}\n<!-- open:end -->"
    read = f"[![Read the site]({SITE_BADGE})]({site(repo)})"
    first = f"<!-- open:begin -->\n{read} {badges(repo, names[0].name)}\n<!-- open:end -->"
    old = {path: path.read_text(encoding="utf-8") for path in (
        root / "pyproject.toml", root / "CITATION.cff", root / "README.md",
        root / "notebooks" / "README.md", *names)}  # fmt: skip
    pyproject, citation, readme, course, *_ = old
    new = {
        pyproject: project(old[pyproject], url),
        citation: line(
            old[citation], f'repository-code: "{url}"\n', "^repository-code: .*\n", "^license: "
        ),
        readme: under_title(old[readme], first, block),
        course: under_title(old[course], table, block),
        **{path: notebook(old[path], repo, path.name) for path in names},
    }
    return {path: text for path, text in new.items() if text != old[path]}


def main(arguments: list[str] | None = None) -> int:
    """Write, or with ``--check`` only name, the files that change; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repo", metavar="OWNER/NAME")
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    try:
        changed = stamped(ROOT, options.repo)
    except UserError as error:
        parser.error(str(error))
    for path, text in changed.items():
        print(f"{'would change' if options.check else 'changed'}: {path.relative_to(ROOT)}")
        if not options.check:
            write_text(path, text)
    return int(options.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
