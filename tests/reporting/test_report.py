"""The report: escaped, self-contained, readable by people and by machines."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from r1aqa_helpers.data import AudioQuestion, QuestionSet
from r1aqa_helpers.data.audio import SAMPLE_RATE, save_audio
from r1aqa_helpers.reporting import load_published
from r1aqa_helpers.reporting.report import Answer, Clip, choose_clips, write_report
from r1aqa_helpers.scoring import score

EVIL = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>{{ title }}"
UNSEEN = "\x1b[31m\x9b\u202e\u2066\x00"
V1 = QuestionSet(EVIL, "v1", True, 1000, "c" * 64, "d" * 64)


class Page(HTMLParser):
    """Collects the elements, and checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def question(name: str, audio: Path, task: str = "sound", text: str = "Who?") -> AudioQuestion:
    return AudioQuestion(name, audio, text, ("dog", "cat"), "cat", task=task)


def results() -> dict:
    row = {"sound": 50.0, "music": None, "speech": 61.5, "average": 55.25, "ci95": [50.1, 60.2]}
    part = {"published": 69.37, "measured": 50.0, "ci95": [44.7, 55.3], "n": 333}
    published = {"model": "7B", "method": EVIL, "source": "s", "note": EVIL}
    return {
        "profile": "tiny", "seed": 3, "hardware": EVIL, "n": 400,
        "rows": [
            {"method": "direct", "prompt": 2, **row, "n": 400, "seconds": 12.4},
            {"method": "grpo", "prompt": 2, **row, "n": 400, "seconds": 9, "train_seconds": 77.0},
        ],
        "comparisons": [{"a": "grpo", "b": "direct", "difference": 12.3, "mcnemar_p": 4e-5,
                         "a_prompt": 2, "b_prompt": 1}],
        "verdicts": [{"method": "grpo", "prompt": 2, "published": published,
                      "parts": {"sound": {**part, "verdict": "below"}}}],
        "settings": {"grpo": {"lr": 0.0001}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    save_audio(path, np.sin(np.arange(SAMPLE_RATE // 4) / 5).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory, clip_file) -> str:
    """The page with hostile text wherever a model or a file has a say."""
    logged = {"format": 1.0, "reward_std": 0.1, "kl": None, "completion_length": 7.0}
    grpo = [{"step": n, "accuracy": n / 50, **logged} for n in range(1, 51)]
    answers = (Answer("direct <2>", EVIL + UNSEEN, False), Answer("grpo <2>", "cat", True))
    clip = Clip(question("q1", clip_file, task=EVIL, text=EVIL), answers)
    taken = [
        replace(clip.question, id=f"e{n}", choices=("dog", EVIL), answer=EVIL, category=UNSEEN)
        for n in range(7)
    ]
    said = {"q1": "the cat"} | {q.id: "dog" for q in taken}
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(
        path,
        results(),
        load_published(),
        test_set=V1,
        training={"GRPO": grpo, "SFT": [{"step": n, "loss": 1 / n} for n in (1, 2, 3)]},
        clips=[clip],
        chosen_by="grpo <2>",
        score=score([clip.question, *taken], said),
    )
    return path.read_text(encoding="utf-8")


def test_hostile_text_stays_text_and_nothing_is_fetched(written, clip_file):
    page = Page(written)
    assert written.replace("\n", "").isprintable() and r"\x1b[31m\x9b\u202e" in page.text
    assert not page.all("script") and not page.all("img") and not page.all("link")
    # Response, question, hardware, name of the set, published method and note: in full, as text.
    assert page.text.count(EVIL) >= 6
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            address = attributes.get(name) or ""
            assert re.match(r"data:audio/flac;base64,|#|$", address), (tag, name, address[:80])
    assert "@import" not in written and not re.search(r"url\((?!#)", written)
    assert "default-src 'none'" in written
    (audio,) = page.all("audio")  # the clip can be played
    assert "controls" in audio and audio["aria-label"]
    wave, rate = soundfile.read(io.BytesIO(base64.b64decode(audio["src"].split(",", 1)[1])))
    original, _ = soundfile.read(clip_file)
    assert rate == SAMPLE_RATE and np.abs(wave - original).max() < 1e-4


def test_figures_and_tables_are_named(written):
    page = Page(written)
    figures = [d for d in page.all("div") if d.get("role") == "img"]
    # Four curves of GRPO (none of what was not logged), one of SFT, and the groups.
    assert len(figures) == len(page.all("svg")) == 6
    assert all(figure["aria-label"] for figure in figures)
    assert len(page.all("table")) == len(page.all("caption"))
    # What a figure refers to by id is defined once in the page.
    for name in set(re.findall(r'(?:url\(#|href="#)([\w-]+)', written)):
        kinds = r"<(?:clipPath|path|g)"
        found = re.findall(rf'{kinds}[^>]*id="{name}"[^>]*>.*?</', written, re.DOTALL)
        assert len(set(found)) == 1, name


def test_tables_tell_measured_from_published(written):
    measured, published = written.split("Published, not measured here")
    for shown in ("55.25", "50.1–60.2", "+12.3 points", "p = 4e-05", "direct &lt;1&gt;", "69.37",
                  "44.7–55.3", "below", "sha256 cccccccccccc"):  # fmt: skip
        assert shown in measured
    for row in load_published().card:
        assert f"{row.average:.2f}" in published
    text = Page(written).text
    # One question, correct by the official match and not by the strict one, one choice of two.
    assert re.search(r"average\s*all\s*12.50\s*2.2–47.1\s*8\s*0.00\s*0\s*100.0\s*50.0", text)
    assert f"{EVIL}dog7" in re.sub(r"\s*\n\s*", "", text) and "No verdict" not in text


def test_what_was_not_run_is_left_out_and_the_page_is_the_same_each_time(tmp_path):
    other = QuestionSet("mine", "v05.15.25", True, 1000, "e" * 64, "f" * 64)
    options = {"training": {"SFT": [{"step": 1, "loss": 0.5}]}, "clips": [], "chosen_by": "x"}
    for name in ("a.html", "b.html"):
        path = tmp_path / name
        plain = {**results(), "verdicts": []}
        write_report(path, plain, load_published(), test_set=other, **options)
    text = Page(path.read_text(encoding="utf-8")).text
    assert "are of another version, v05.15.25" in text and "lies within" not in text
    assert "SFT training" in text and "GRPO training" not in text and "By category" not in text
    assert path.read_text("utf-8") == (tmp_path / "a.html").read_text("utf-8")


def test_clips_are_drawn_by_task_answered_correctly_and_not(tmp_path):
    tasks = ("sound", "music", "speech")
    asked = [question(f"{task}{n}", tmp_path, task) for task in tasks for n in range(20)]
    # Sound: half of them correct. Music: one wrong only. Speech: all wrong.
    correct = {f"sound{n}": n % 2 == 0 for n in range(20)}
    correct |= {f"music{n}": n > 0 for n in range(20)} | {f"speech{n}": False for n in range(20)}
    chosen = choose_clips(asked, correct, seed=1)
    by_task = {task: sorted(correct[q.id] for q in chosen if q.task == task) for task in tasks}
    assert by_task == {"sound": [False] * 2 + [True] * 2, "music": [False] + [True] * 3,
                       "speech": [False] * 4}  # fmt: skip
    assert len({q.id for q in chosen}) == 12
    assert choose_clips(asked, correct, seed=1) == chosen != choose_clips(asked, correct, seed=2)
    assert len(choose_clips(asked[:2], correct, seed=0)) == 2
