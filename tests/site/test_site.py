"""The site as a reader sees it: built once, then every page is opened in a real browser."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import build_site
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
#: What is in doubt on a page that is open.
FORMULAS = """() => ({
    asked: document.querySelectorAll('.math.notranslate').length,
    drawn: document.querySelectorAll('.math.notranslate mjx-container svg').length,
    wrong: document.querySelectorAll('[data-mml-node="merror"]').length})"""
PLAYERS = """() => Promise.all([...document.querySelectorAll('audio')].map(player => new Promise(
    (done) => {
        player.addEventListener('loadedmetadata', () => done(player.duration));
        player.addEventListener('error', () => done(String(player.error && player.error.message)));
        player.preload = 'metadata';
        player.load();
    })))"""
PICTURES = """() => [...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt)
    .map(i => i.src.slice(0, 80))"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site that was just built, with one command."""
    pytest.importorskip("sphinx", reason="to test the site: uv run --group docs pytest -m slow")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "scripts" / "build_site.py"), "--out", str(out)]
    # A network that is not there must not be missed.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **nowhere})
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, BeautifulSoup]:
    """Every page by its path."""
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_text("utf-8"), "html.parser")
        for path in sorted(site.rglob("*.html"))
    }


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that logs nothing."""

    def log_message(self, *_args) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served, on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that notes in ``page.faults`` what went wrong and what it asked of other hosts."""
    opened = browser.new_page(viewport=WIDE)
    opened.set_default_timeout(60_000)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(f"{opened.url}: {error}"))
    opened.on(
        "console",
        lambda told: faults.append(f"{opened.url}: {told.text}") if told.type == "error" else None,
    )
    opened.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((address, "data:", "blob:", "file:"))
            else faults.append(f"{opened.url} asks {asked.url}")
        ),
    )
    opened.faults = faults
    yield opened
    opened.close()


def test_every_page_is_there_and_in_the_navigation(pages):
    names = {"index.md" if name == "README.md" else name for name in build_site.page_names()}
    wanted = {re.sub(r"\.(md|ipynb)$", ".html", name) for name in names}
    assert wanted <= pages.keys()
    home = pages["index.html"]
    linked = {a["href"].partition("#")[0] for a in home.select(".sidebar-tree a[href]")}
    assert wanted - linked <= {"index.html"}
    modules = [name for name in pages if name.startswith("reference/r1aqa_helpers/")]
    assert len(modules) > 150


def test_links_lead_to_a_page_and_a_place_on_it(site, pages):
    ids = {name: {tag["id"] for tag in soup.select("[id]")} for name, soup in pages.items()}
    dead, strange = set(), set()
    for name, soup in pages.items():
        for tag in soup.select("a[href], link[href], script[src], img[src]"):
            target = tag.get("href") or tag.get("src")
            if re.match(r"(data|mailto|javascript):", target):
                continue
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if tag.name != "a" or not re.fullmatch(r"https?://[\w.-]+\.\w+(/\S*)?", target):
                    strange.add((name, target))
                continue
            place = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if not place.is_file():
                dead.add((name, target))
            elif parts.fragment and place.suffix == ".html":
                inside = place.resolve().relative_to(site.resolve()).as_posix()
                if unquote(parts.fragment) not in ids[inside]:
                    dead.add((name, target))
    assert (sorted(dead), sorted(strange)) == ([], [])


def test_every_page_works_and_fits_a_phone(page, address, pages):
    wide, players, formulas = [], 0, 0
    for name in pages:
        page.set_viewport_size(WIDE)
        page.goto(f"{address}/{name}", wait_until="load")
        for width, viewport in (("1280", WIDE), ("390", NARROW)):
            page.set_viewport_size(viewport)
            needed = page.evaluate("document.documentElement.scrollWidth")
            if needed > viewport["width"]:
                wide.append((name, width, needed))
        if pages[name].select_one(".math.notranslate"):
            page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
            page.evaluate("MathJax.startup.promise.then(() => null)")
            found = page.evaluate(FORMULAS)
            assert found["asked"] == found["drawn"] > 0 == found["wrong"], (name, found)
            formulas += found["drawn"]
            if (needed := page.evaluate("document.documentElement.scrollWidth")) > 390:
                wide.append((name, "390, with formulas", needed))
        if pages[name].select_one("audio"):
            lengths = page.evaluate(PLAYERS)
            assert all(isinstance(seconds, int | float) and seconds > 0.1 for seconds in lengths), (
                name,
                lengths,
            )
            players += len(lengths)
        if pages[name].select_one("img"):
            assert page.evaluate(PICTURES) == [], name
    assert (page.faults, wide) == ([], [])
    assert players >= 5 and formulas >= 20


def test_search_finds_a_word_of_a_notebook_and_a_function(page, address):
    page.goto(f"{address}/index.html")
    for words, target in (
        ("importance sampling surrogate", "05_grpo_from_scratch"),
        ("accuracy_reward", "training/rewards"),
    ):
        page.locator(".sidebar-search").fill(words)
        page.locator(".sidebar-search").press("Enter")
        link = page.locator(f"#search-results a[href*='{target}']").first
        expect(link).to_be_visible(timeout=60_000)
    link.click()
    expect(page.locator("h1")).to_contain_text("rewards")
    assert page.faults == []


def test_the_site_also_works_as_files(page, site):
    for name in ("index.html", "notebooks/00_start.html"):
        page.goto((site / name).as_uri(), wait_until="load")
        expect(page.locator("h1").first).to_be_visible()
    assert page.faults == []
