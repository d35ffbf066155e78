"""Build the site: the notebooks as they are stored, the guides, the reference, and a search.

    uv run --only-group docs scripts/build_site.py    to build/site/html

Open ``index.html`` there, or serve the folder. Building and reading take no network. Pages keep
their places in the repository, so that links between them are the same as on GitHub; README is
the first page. A link to another file leads to the repository's address, if ``scripts/stamp.py``
wrote one, and to a copy of the file if not.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md"),
    *("data/README.md", "data/tiny/bank/LICENSES.md"),
)
#: The order of the guides; any other follows.
GUIDES = ("index", "commands", "experiment", "gpus", "speed", "layout", "workshops")
#: A file that is linked and not a page is copied up to this size.
LARGEST = 2**20
#: A link, or code, in which there is none.
LINK = re.compile(r"`[^`\n]*`|(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\(([^()\s]+)\)")
#: Badges are pictures from other hosts; their words link as well.
BADGE = re.compile(r"\[!\[([^\]]*)\]\(https?://[^)]*\)\]\((\S+?)\)")
FENCED = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)


def page_names(root: Path = ROOT) -> list[str]:
    """Every file that becomes a page, by its path in the repository."""
    folders = (("docs", "*.md"), ("notebooks", "[0-9][0-9]_*.ipynb"))
    found = [p for folder, pattern in folders for p in sorted((root / folder).glob(pattern))]
    return [*PAGES, *(path.relative_to(root).as_posix() for path in found)]


def address(root: Path = ROOT) -> str | None:
    """The repository's address, if it has been stamped."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


class Stage:
    """The pages in a folder of their own, with links that lead somewhere."""

    def __init__(self, root: Path, source: Path) -> None:
        self.root, self.source = root, source
        self.pages, self.address = set(page_names(root)), address(root)
        self.missing: list[str] = []
        self.files: set[str] = set()  #: linked, not pages, and to be copied

    def write(self) -> None:
        """Write all pages, and what they link to or show."""
        shutil.rmtree(self.source, ignore_errors=True)
        for name in sorted(self.pages):
            text = (self.root / name).read_text(encoding="utf-8")
            change = self.notebook if name.endswith(".ipynb") else self.markdown
            place = "index.md" if name == "README.md" else name
            self._put(place, change(text, name) + (self.contents() if name == "README.md" else ""))
        pictures = (p for p in (self.root / "docs").iterdir() if p.suffix in (".svg", ".png"))
        for path in [*pictures, *(self.root / name for name in self.files)]:
            copy = self.source / path.relative_to(self.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)

    def _put(self, name: str, text: str) -> None:
        place = self.source / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def contents(self) -> str:
        """The navigation, as Sphinx reads it."""
        guides = [Path(name).stem for name in self.pages if name.startswith("docs/")]
        guides.sort(key=lambda name: (GUIDES.index(name) if name in GUIDES else 99, name))
        course = sorted(name for name in self.pages if name.endswith(".ipynb"))
        parts = {
            "Course": ["notebooks/README", *(name.removesuffix(".ipynb") for name in course)],
            "Guides": [f"docs/{name}" for name in guides],
            "Reference": [
                "The package <reference/r1aqa_helpers/index>",
                "data/README",
                "Licences of the sounds <data/tiny/bank/LICENSES>",
                "CONTRIBUTING",
                "CHANGELOG",
            ],
        }
        trees = (
            "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```"])
            for caption, names in parts.items()
        )
        return "\n" + "\n\n".join(trees) + "\n"

    def markdown(self, text: str, name: str) -> str:
        """A page's text with its links changed."""
        parts = FENCED.split(text)
        for place in range(0, len(parts), 2):  # the others are code
            words = BADGE.sub(r"[\1](\2)", parts[place])
            parts[place] = LINK.sub(lambda found: self.link(found, name), words)
        return "".join(parts)

    def notebook(self, text: str, name: str) -> str:
        """A notebook with its links changed, and descriptions of pictures where Sphinx looks."""
        content = json.loads(text)
        for cell in content["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                cell["source"] = self.markdown(source, name)
            tags = cell["metadata"].setdefault("tags", [])
            if "hosted" in tags:  # of no interest to anyone who reads
                tags.append("hide-cell")
            for output in cell.get("outputs", []):
                told = output.get("metadata", {}).get("image/png", {})
                if "alt" in told:
                    image = {"alt": told["alt"]}
                    cell["metadata"].setdefault("mystnb", {})["image"] = image
        return json.dumps(content, ensure_ascii=False, indent=1)

    def link(self, found: re.Match, name: str) -> str:
        """A link on the page ``name``, as it is to be on the site."""
        words, target = found[1], found[2]
        if target is None or re.match(r"[a-z]+:|#", target):
            return found[0]
        path, anchor, fragment = target.partition("#")
        place = Path(os.path.normpath(self.root / Path(name).parent / path))
        if not place.is_relative_to(self.root) or not place.exists():
            self.missing.append(f"{name}: no such file: {target}")
            return words
        inside = place.relative_to(self.root).as_posix()
        if inside in self.pages:
            if inside == "README.md":
                inside = "index.md"
            return f"[{words}]({os.path.relpath(inside, Path(name).parent)}{anchor}{fragment})"
        if self.address:
            kind = "tree" if place.is_dir() else "blob"
            return f"[{words}]({self.address}/{kind}/main/{inside})"
        if place.is_dir() or place.stat().st_size > LARGEST:
            return words
        self.files.add(inside)
        return found[0]


def build(out: Path) -> int:
    """Write the site to ``out``; the exit status."""
    try:
        from sphinx.cmd.build import main as sphinx
    except ModuleNotFoundError:
        print("error: Sphinx is missing: uv run --only-group docs scripts/build_site.py")
        return 1
    stage = Stage(ROOT, out / "source")
    stage.write()
    for line in stage.missing:
        print(f"warning: {line}", file=sys.stderr)
    html = out / "html"
    shutil.rmtree(html, ignore_errors=True)
    options = ["-q", "-W", "--keep-going", "-j", "auto", "-d", str(out / "doctrees")]
    status = sphinx([*options, "-c", str(ROOT / "docs"), str(stage.source), str(html)])
    if not status:
        (html / ".nojekyll").touch()  # GitHub Pages would leave out folders with an underscore
        pages = len(list(html.rglob("*.html")))
        size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
        print(f"{html / 'index.html'}: {pages} pages, {size / 1e6:.0f} MB")
    return status


def main() -> int:
    """Build the site; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", metavar="DIR")
    return build(parser.parse_args().out.resolve())


if __name__ == "__main__":
    sys.exit(main())
