"""Reported figures are the sources', and stand apart from measured ones."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import AudioQuestion
from r1aqa_helpers.results import (
    MeasuredRow,
    comparison,
    load_measured,
    load_published,
    measured_row,
    print_tables,
)
from r1aqa_helpers.scoring import score, wilson_interval

# The model card's table, figure by figure.
CARD = """
Human* 86.31 78.22 82.17 82.23
Gemini Pro 2.0 Flash Direct Inference* 56.46 58.68 51.65 55.60
Audio Flamingo 2 Direct Inference* 61.56 73.95 30.93 55.48
GPT4o + Strong Cap. Direct Inference* 57.35 49.70 64.86 57.30
Llama-3-8B-Instruct + Strong Cap. Direct Inference* 50.75 48.93 55.25 52.10
Gemini Pro v1.5 Direct Inference* 56.75 49.40 58.55 54.90
Qwen2-Audio-7B-Instruct Direct Inference* 54.95 50.98 42.04 49.20
GPT4o + Weak Cap. Direct Inference* 39.33 41.90 58.25 45.70
Llama-3-8B-Instruct + Weak Cap. Direct Inference* 34.23 38.02 54.05 42.10
SALMONN Direct Inference* 41.00 34.80 25.50 33.70
Qwen2-Audio-7B-Instruct CoTA 60.06 64.30 60.70 61.71
Qwen2-Audio-7B-Instruct Zero-Shot-CoT 61.86 56.29 55.26 57.80
Qwen2-Audio-7B-Instruct GRPO (Ours) 69.37 66.77 57.36 64.50
"""
PAPER = """
Qwen2-Audio-7B-Instruct SFT Full + Prompt <1> 60.96 49.19 45.35 51.80
Qwen2-Audio-7B-Instruct SFT LoRA + Prompt <1> 58.26 58.08 52.58 56.40
Qwen2-Audio-7B-Instruct GRPO + Prompt <3> 66.67 62.87 53.75 61.10
"""


def as_text(rows) -> str:
    lines = [
        f"{row.model} {row.method}{'*' if row.from_mmau_site else ''} {row.sound:.2f}"
        f" {row.music:.2f} {row.speech:.2f} {row.average:.2f}".strip()
        for row in rows
    ]
    return "\n" + "\n".join(lines) + "\n"


def questions(count: int, task: str = "sound") -> list[AudioQuestion]:
    return [
        AudioQuestion(f"{task}{n}", Path("a.wav"), "Which?", ("Dog", "Cat"), "Dog", task=task)
        for n in range(count)
    ]


def printed(measured, comparisons, width=80) -> str:
    stream = io.StringIO()
    print_tables(Console(file=stream, width=width), load_published(), measured, comparisons)
    return stream.getvalue()


def test_the_published_rows_are_the_cards_thirteen_and_the_papers_three():
    published = load_published()
    assert as_text(published.card) == CARD
    assert as_text(published.paper) == PAPER


def test_every_published_row_has_its_source():
    published = load_published()
    for row in (*published.card, *published.paper):
        assert row.source.startswith("https://")
        assert row.note
        assert row.from_mmau_site == ("mmau_homepage" in row.source)
    disputed = {
        row.model or row.method for row in published.card if "The paper's table" in row.note
    }
    assert disputed == {
        "Gemini Pro v1.5",
        "Llama-3-8B-Instruct + Strong Cap.",
        "Qwen2-Audio-7B-Instruct",
    }


def counts(printed_percent: float, n: int) -> list[int]:
    return [k for k in range(n + 1) if f"{100 * k / n:.2f}" == f"{printed_percent:.2f}"]


def test_the_notes_on_impossible_figures_are_right():
    """A printed accuracy must be some count of right answers among the domain's questions."""
    full, lora, think = load_published().paper
    assert counts(full.music, 334) == [] and counts(49.10, 334) == [164]
    assert counts(full.sound, 333)[0] + 164 + counts(full.speech, 333)[0] == 518
    assert counts(lora.speech, 333) == [] and counts(52.85, 333) == [176]
    assert counts(lora.sound, 333)[0] + counts(lora.music, 334)[0] + 176 == 564
    zero_shot = load_published().card[11]
    assert counts(61.68, 333) == [] and counts(zero_shot.sound, 333) == [206]
    for row in (load_published().card[12], zero_shot, think):
        right = [
            counts(value, n)[0]
            for value, n in ((row.sound, 333), (row.music, 334), (row.speech, 333))
        ]
        assert sum(right) == round(10 * row.average)


def test_a_measured_row_is_its_score():
    asked = questions(4) + questions(2, "music")
    result = score(asked, {q.id: "Dog" if q.id != "sound0" else "Cat" for q in asked})
    row = measured_row("grpo", 2, result, 12.5)
    assert row == MeasuredRow(
        method="grpo",
        prompt=2,
        sound=75.0,
        music=100.0,
        speech=None,
        average=pytest.approx(83.333, abs=1e-3),
        ci95=wilson_interval(5, 6),
        n=6,
        seconds=12.5,
    )
    assert list(row.as_dict()) == [
        "method", "prompt", "sound", "music", "speech", "average", "ci95", "n", "seconds",
    ]  # fmt: skip
    assert json.loads(json.dumps(row.as_dict())) == row.as_dict()


def test_a_comparison_is_a_minus_b_with_mcnemars_p():
    asked = questions(10)
    good = score(asked, {q.id: "Dog" for q in asked})
    bad = score(asked, {})
    assert comparison("grpo", "direct", good, bad) == {
        "a": "grpo",
        "b": "direct",
        "difference": pytest.approx(100.0),
        "mcnemar_p": pytest.approx(2 / 1024),
    }
    with pytest.raises(UserError, match="same questions"):
        comparison("grpo", "direct", good, score(questions(9), {}))


def test_measured_and_published_are_printed_apart():
    row = MeasuredRow("zero-shot-cot", 3, 38.8, None, 45.0, 45.5, (42.44, 48.6), 1000, 1131.2)
    text = printed([row], [{"a": "grpo", "b": "sft", "difference": -1.25, "mcnemar_p": 0.0312}])
    measured, published = text.split("Published:")
    (line,) = re.findall(r"zero-shot-cot.*", measured)
    assert line.split() == "zero-shot-cot <3> 38.80 – 45.00 45.50 42.4–48.6 1000 1131".split()
    assert "grpo against sft: -1.2 points, McNemar's exact test p = 0.031" in measured
    assert "64.50" not in measured and "45.50" not in published
    assert "Not measured here. MMAU test-mini" in published
    assert "7B model" in published.splitlines()[0]
    for figures in (CARD + PAPER).strip().splitlines():
        assert re.search(r"\s+".join(map(re.escape, figures.split()[-4:])), published), figures


def test_the_tables_fit_80_columns_and_markup_in_names_is_printed_as_it_is():
    row = MeasuredRow("[bold]sft[/]", 1, 1.0, 2.0, 3.0, 4.0, (100 / 3, 50.0), 1000, 12_345.0)
    text = printed([row], [])
    assert "[bold]sft[/]" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_reference_run_is_read() -> None:
    rows = {(row.method, row.prompt): row for row in load_measured()}
    assert rows["direct", 2].average == 56.9 and rows["direct", 2].n == 1000
    assert rows["direct", 2].ci95 == wilson_interval(569, 1000)
    assert len(rows) == 5


@pytest.mark.parametrize("content", ["[]", "{}", '{"rows": [{"method": "direct"}]}'])
def test_what_is_no_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match="results.json: is no results.json of r1aqa reproduce"):
        load_measured(tmp_path / "results.json")
