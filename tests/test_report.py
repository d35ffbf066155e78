"""The report: escaped, self-contained, readable by people and by machines."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from r1aqa_helpers.audio import SAMPLE_RATE, save_audio
from r1aqa_helpers.questions import AudioQuestion, QuestionSet
from r1aqa_helpers.report import Answer, Clip, choose_clips, write_report
from r1aqa_helpers.results import load_published
from r1aqa_helpers.scoring import score

EVIL = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>{{ title }}"
V1 = QuestionSet(EVIL, "v1", True, 1000, "c" * 64, "d" * 64)
VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Collects the elements, and checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def question(number: int, audio: Path, task: str = "sound", text: str = "Who?") -> AudioQuestion:
    return AudioQuestion(f"q{number}", audio, text, ("dog", "cat"), "cat", task=task)


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory) -> Path:
    wave = np.sin(np.arange(SAMPLE_RATE // 4) / 5).astype(np.float32)
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    save_audio(path, wave)
    return path


@pytest.fixture(scope="module")
def results() -> dict:
    row = {"sound": 50.0, "music": None, "speech": 61.5, "average": 55.25, "ci95": [50.1, 60.2]}
    return {
        "profile": "tiny",
        "seed": 3,
        "hardware": EVIL,
        "n": 400,
        "rows": [
            {"method": "direct", "prompt": 2, **row, "n": 400, "seconds": 12.4},
            {"method": "grpo", "prompt": 2, **row, "n": 400, "seconds": 9, "train_seconds": 77.0},
        ],
        "comparisons": [
            {
                "a": "grpo",
                "b": "direct",
                "difference": 12.3,
                "mcnemar_p": 4e-5,
                "a_prompt": 2,
                "b_prompt": 1,
            }
        ],
        "verdicts": [
            {
                "method": "grpo",
                "prompt": 2,
                "published": {"model": "7B", "method": EVIL, "source": "s", "note": EVIL},
                "parts": {
                    "sound": {
                        "published": 69.37,
                        "measured": 50.0,
                        "ci95": [44.7, 55.3],
                        "n": 333,
                        "verdict": "below",
                    }
                },
            }
        ],
        "settings": {"grpo": {"lr": 0.0001}},
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory, results, clip_file) -> str:
    """The page with hostile text wherever a model or a file has a say."""
    grpo = [
        {"step": n, "accuracy": n / 50, "format": 1.0, "reward_std": 0.1, "kl": 0.01 * n}
        | {"completion_length": 7.0}
        for n in range(1, 51)
    ]
    sft = [{"step": n, "loss": 1 / n} for n in (1, 2, 3)]
    answers = (Answer("direct <2>", EVIL, False), Answer("grpo <2>", "cat", True))
    clip = Clip(question(1, clip_file, task=EVIL, text=EVIL), answers)
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(
        path,
        results,
        load_published(),
        test_set=V1,
        training={"GRPO": grpo, "SFT": sft},
        clips=[clip],
        chosen_by="grpo <2>",
        groups=score([clip.question], {clip.question.id: "the cat"}).groups(),
        confused=[(EVIL, "dog", 7)],
    )
    return path.read_text(encoding="utf-8")


def test_hostile_text_stays_text(written):
    page = Page(written)
    assert not page.all("script") and not page.all("img")
    assert all(not name.startswith("on") for _, attrs in page.elements for name in attrs)
    shown = "".join(page.text)
    # Response, question, hardware, name of the set, published method and note: in full, as text.
    assert shown.count("<script>alert('1')</script>") >= 6
    assert "onerror=alert(2)>{{ title }}" in shown


def test_nothing_is_fetched(written):
    page = Page(written)
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            address = attributes.get(name) or ""
            assert re.match(r"data:audio/flac;base64,|#|$", address), (tag, name, address[:80])
    assert not page.all("link")
    assert "@import" not in written and not re.search(r"url\((?!#)", written)


def test_clips_can_be_played(written, clip_file):
    (audio,) = Page(written).all("audio")
    assert "controls" in audio and audio["aria-label"]
    kind, data = audio["src"].split(",", 1)
    assert kind == "data:audio/flac;base64"
    wave, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    original, _ = soundfile.read(clip_file)
    assert rate == SAMPLE_RATE and np.abs(wave - original).max() < 1e-4


def test_accessible_and_fit_for_a_phone(written):
    page = Page(written)
    assert page.all("html")[0]["lang"] == "en"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )
    figures = [d for d in page.all("div") if d.get("role") == "img"]
    assert len(figures) == len(page.all("svg")) == 7
    assert all(figure["aria-label"] for figure in figures)
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("width" not in svg for svg in page.all("svg"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    # matplotlib numbers the groups of each figure alike; nothing refers to those.
    defined = {i for i in ids if ids.count(i) > 1}
    referred = set(re.findall(r'(?:url\(#|href="#)([\w-]+)', written))
    clashes = {i for i in defined & referred if len(set(_definitions(written, i))) > 1}
    assert not clashes


def _definitions(page: str, identity: str) -> list[str]:
    return re.findall(rf'<(?:clipPath|path|g)[^>]*id="{identity}"[^>]*>.*?</', page, re.DOTALL)


def test_tables_tell_measured_from_published(written):
    measured, published = written.split("Published, not measured here")
    assert "55.25" in measured and "50.1–60.2" in measured and "+12.3 points" in measured
    assert "p = 4e-05" in measured and "direct &lt;1&gt;" in measured
    for row in load_published().card:
        assert f"{row.average:.2f}" in published


def test_groups_of_questions_are_shown_with_their_floor_and_confusions(written):
    text = "".join(Page(written).text)
    assert "By category, sub-category and difficulty" in text and "grpo <2> by group" in text
    # One question, right by the official match and not by the strict one, one choice of two.
    assert re.search(r"average\s*all\s*100.00\s*20.7–100.0\s*1\s*0.00\s*0\s*100.0\s*50.0", text)
    assert f"{EVIL}dog7" in re.sub(r"\s*\n\s*", "", text)


def test_verdicts_and_questions_are_shown_or_why_there_are_none(written, results, tmp_path):
    text = "".join(Page(written).text)
    assert "sha256 cccccccccccc" in text and "GRPO training" in text and "SFT training" in text
    assert "69.37" in text and "44.7–55.3" in text and "below" in text
    assert "How uncertain the published figure is" in text and "No verdict" not in text
    options = {"training": {}, "clips": [], "chosen_by": "x"}
    other = QuestionSet("mine", "v05.15.25", True, 1000, "e" * 64, "f" * 64)
    plain = {**results, "verdicts": []}
    write_report(tmp_path / "a.html", plain, load_published(), test_set=other, **options)
    text = "".join(Page((tmp_path / "a.html").read_text(encoding="utf-8")).text)
    assert "are of another version, v05.15.25" in text and "lies within" not in text
    assert "training, s" in text and "SFT training" not in text
    assert "By category" not in text


def test_the_same_input_gives_the_same_page(tmp_path, results):
    pages = []
    for name in ("a.html", "b.html"):
        write_report(
            tmp_path / name,
            results,
            load_published(),
            test_set=V1,
            training={"GRPO": [{"step": 1, "accuracy": 0.5}], "SFT": []},
            clips=[],
            chosen_by="grpo <2>",
        )
        pages.append((tmp_path / name).read_text(encoding="utf-8"))
    assert pages[0] == pages[1]


def test_clips_are_drawn_by_task_right_and_wrong(tmp_path):
    tasks = ("sound", "music", "speech")
    questions = [question(n, tmp_path, task) for task in tasks for n in range(20)]
    questions = [
        AudioQuestion(f"{q.task}{n}", q.audio, "?", q.choices, "cat", task=q.task)
        for n, q in enumerate(questions)
    ]
    # Sound: half right. Music: one wrong only. Speech: all wrong.
    right = {q.id: n % 2 == 0 for n, q in enumerate(questions)}
    right |= {q.id: n > 0 for n, q in enumerate(q for q in questions if q.task == "music")}
    right |= {q.id: False for q in questions if q.task == "speech"}
    chosen = choose_clips(questions, right, seed=1)
    by_task = {task: [right[q.id] for q in chosen if q.task == task] for task in tasks}
    assert sorted(by_task["sound"]) == [False, False, True, True]
    assert sorted(by_task["music"]) == [False, True, True, True]
    assert by_task["speech"] == [False] * 4
    assert len({q.id for q in chosen}) == 12
    assert choose_clips(questions, right, seed=1) == chosen
    assert choose_clips(questions, right, seed=2) != chosen


def test_few_questions_give_few_clips(tmp_path):
    questions = [question(n, tmp_path) for n in range(2)]
    assert len(choose_clips(questions, {"q0": True, "q1": True}, seed=0)) == 2
