"""Reported figures are the sources', stand apart from measured ones, and meet only their like."""

import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.reporting import (
    ResultRow,
    comparison,
    load_measured,
    load_published,
    measured_row,
    no_verdict,
    print_tables,
    published_beside,
    verdicts,
)
from r1aqa_helpers.scoring import score, wilson_interval
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json
from r1aqa_helpers.utils.paths import TINY

# The tables of the model card and of the paper, figure by figure.
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
OTHER = QuestionSet("a file", None, False, 1000, "a" * 64, "b" * 64)
V1 = QuestionSet("mmau-test-mini-v1", "v1", True, 1000, "c" * 64, "d" * 64)
#: What stands beside what: averages of the published rows.
BESIDE = {
    ("grpo", 2): 64.5, ("r1-aqa", 2): 64.5, ("trained", 2): 64.5, ("grpo", 3): 61.1,
    ("sft", 1): 51.8, ("sft-lora", 1): 56.4, ("cascade-strong", None): 52.1,
    # Another prompt than the published row's, or other authors' prompts.
    ("sft", 2): None, ("sft-lora", 2): None, ("direct", 1): None, ("direct", 2): None,
    ("zero-shot-cot", 3): None, ("cota", 3): None, ("grpo", 1): None, ("Human", None): None,
}  # fmt: skip


def as_text(rows) -> str:
    lines = [
        " ".join([row.model, row.method + "*" * row.from_mmau_site, *row.cells()]).strip()
        for row in rows
    ]
    return "\n" + "\n".join(lines) + "\n"


def questions(count: int, task: str = "sound") -> list[AudioQuestion]:
    return [
        AudioQuestion(f"{task}{n}", Path("a.wav"), "Which?", ("Dog", "Cat"), "Dog", task=task)
        for n in range(count)
    ]


def printed(measured, comparisons, test_set=OTHER) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80)
    print_tables(console, load_published(), measured, comparisons, test_set)
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    return text


def made_row(method="r1-aqa", prompt=2, average=645, sound=231) -> ResultRow:
    """A row of v1 with so many correct answers of 1,000, and of 333 about sounds."""
    part = {"accuracy": 100 * sound / 333, "n": 333, "ci95": wilson_interval(sound, 333)}
    ends = wilson_interval(average, 1000)
    return ResultRow(method, prompt, part["accuracy"], average=average / 10, ci95=ends, n=1000,
                     seconds=1, tasks={"sound": part}, test_sha256=V1.sha256)  # fmt: skip


def test_the_published_rows_are_those_of_card_and_paper_with_their_sources():
    published = load_published()
    assert (as_text(published.card), as_text(published.paper)) == (CARD, PAPER)
    for row in (*published.card, *published.paper, *published.discrepancies):
        assert row.source.startswith("https://") and row.note
        assert row.from_mmau_site == ("mmau_homepage" in row.source)
    assert len(published.discrepancies) == 6


def test_a_measured_row_is_its_score_and_is_read_again(tmp_path):
    asked = questions(4) + questions(2, "music")
    result = score(asked, {q.id: "Dog" if q.id != "sound0" else "Cat" for q in asked[:5]})
    test_set = identify(asked, "made.json")
    row = measured_row("grpo", 2, result, 12.5, test_set)
    assert row.as_dict() == {
        "method": "grpo", "prompt": 2, "sound": 75.0, "music": 50.0, "speech": None,
        "average": pytest.approx(200 / 3), "ci95": list(wilson_interval(4, 6)), "n": 6,
        "seconds": 12.5, "tasks": {
            "sound": {"accuracy": 75.0, "n": 4, "ci95": list(wilson_interval(3, 4))},
            "music": {"accuracy": 50.0, "n": 2, "ci95": list(wilson_interval(1, 2))},
        }, "test_sha256": test_set.sha256, "missing": 1, "unparsed": 0,
    }  # fmt: skip
    write_json(tmp_path / "results.json", {"rows": [row.as_dict()]})
    assert load_measured(tmp_path / "results.json") == (row,)


def test_a_comparison_is_a_minus_b_with_mcnemars_p_and_of_the_same_questions_only():
    asked = questions(10)
    good, bad = score(asked, {q.id: "Dog" for q in asked}), score(asked, {})
    test_set = identify(asked, "made.json")
    row = measured_row("grpo", 2, good, 1.0, test_set)
    assert comparison(row, measured_row("direct", 1, bad, 1.0, test_set), good, bad) == {
        "a": "grpo", "b": "direct", "difference": pytest.approx(100.0),
        "mcnemar_p": pytest.approx(2 / 1024), "a_prompt": 2, "b_prompt": 1,
    }  # fmt: skip
    # Neither by other ids nor, with the same ids, by other texts.
    for others in (questions(9), [replace(asked[0], choices=("Dog", "Fox")), *asked[1:]]):
        result = score(others, {})
        other = measured_row("direct", 2, result, 1.0, identify(others, "made.json"))
        with pytest.raises(UserError, match="'grpo <2>' and 'direct <2>': were measured on diff"):
            comparison(row, other, good, result)
        with pytest.raises(UserError, match="'these questions' and 'direct <2>'"):
            printed([row, other], [], test_set)


def test_measured_and_published_are_printed_apart():
    rows = [
        ResultRow("zero-shot-cot", 3, 38.8, None, 45.0, 45.5, (42.44, 48.6), 1000, 1131.2),
        ResultRow("[bold]sft[/]", 1, 1.0, 2.0, 3.0, 4.0, (1 / 3, 50.0), 1000, 12_345.0),
    ]
    test = {"a": "grpo", "b": "sft", "difference": -1.25, "mcnemar_p": 0.0312}
    text = printed(rows, [{**test, "a_prompt": 2, "b_prompt": 1}])
    measured, published = text.split("Published:")
    (line,) = re.findall(r"zero-shot-cot.*", measured)
    assert line.split() == "zero-shot-cot <3> 38.80 – 45.00 45.50 42.4–48.6 1000 1131".split()
    assert "grpo <2> against sft <1>: -1.2 points, McNemar's exact test p = 0.031" in measured
    assert "Questions: a file: 1,000 questions, no known release" in " ".join(measured.split())
    assert "No verdict" in measured and "64.50" not in measured and "45.50" not in published
    assert "[bold]sft[/]" in measured and "…" not in text
    assert "7B model" in published.splitlines()[0] and "Not measured here." in published
    for figures in (CARD + PAPER).strip().splitlines():
        assert re.search(r"\s+".join(map(re.escape, figures.split()[-4:])), published), figures


def test_a_verdict_asks_whether_the_published_figure_is_in_the_interval():
    """64.50 and, of sounds, 69.37 are published; the interval's half width is three points."""
    inside = 0
    for correct in range(600, 700):
        (found,) = verdicts(load_published(), [made_row(average=correct)], V1)
        low, high = wilson_interval(correct, 1000)
        expected = "reproduced" if low <= 64.5 <= high else "above" if low > 64.5 else "below"
        part = {"published": 64.5, "measured": correct / 10, "ci95": [low, high], "n": 1000}
        assert found["parts"]["average"] == {**part, "verdict": expected}
        inside += expected == "reproduced"
    assert 50 < inside < 70
    (found,) = verdicts(load_published(), [made_row(sound=150)], V1)
    assert found["parts"].keys() == {"average", "sound"}
    assert found["parts"]["sound"]["verdict"] == "below"
    assert found["published"]["method"] == "GRPO (Ours)" and found["published"]["source"]


def test_only_rows_with_the_same_method_and_prompt_stand_beside_each_other():
    found = {key: published_beside(load_published(), ResultRow(*key)) for key in BESIDE}
    assert {key: row and row.average for key, row in found.items()} == BESIDE
    rows = [made_row(*key) for key in BESIDE]
    judged = {(v["method"], v["prompt"]) for v in verdicts(load_published(), rows, V1)}
    assert judged == {key for key, average in BESIDE.items() if average}
    text = printed(rows[:1], [], V1)
    line = [line for line in text.splitlines() if line.startswith(" grpo <2> ")][-1]
    assert line.split() == "grpo <2> average 64.50 64.50 61.5–67.4 1000 reproduced".split()
    words = " ".join(text.split())
    assert "within the 95 % interval" in words and "method and prompt are the same" in words


@pytest.mark.parametrize(
    "test_set, reason",
    [
        (replace(V1, release="v05.15.25"), "are of another version, v05.15.25"),
        (replace(V1, whole=False, n=997), "are not all of v1 with its texts"),
        (replace(V1, release=None, whole=False), "are of no known release"),
    ],
)
def test_other_questions_get_no_verdict_and_it_is_said(test_set, reason):
    assert verdicts(load_published(), [made_row()], test_set) == []
    told = no_verdict(load_published(), test_set)
    assert reason in told and told in " ".join(printed([made_row()], [], test_set).split())


def test_the_reference_run_knows_its_questions():
    """What it says of its questions is what the committed questions say."""
    asked = read_questions(TINY / "tiny-mmau.json")
    test_set = identify(asked, TINY / "tiny-mmau.json")
    stored = read_json(TINY / "reference_run" / "results.json")
    assert QuestionSet.from_dict(stored["test_set"]) == test_set
    assert (test_set.name, test_set.release, test_set.n) == ("tiny-mmau", None, 1000)
    counts = Counter(q.task for q in asked)
    for row in load_measured():
        assert row.test_sha256 == test_set.sha256
        assert {name: part["n"] for name, part in row.tasks.items()} == counts
        correct = [round(p["accuracy"] * p["n"] / 100) for p in row.tasks.values()]
        assert 100 * sum(correct) / row.n == row.average
        assert row.ci95 == wilson_interval(sum(correct), row.n)


def test_a_run_from_before_sets_were_kept_is_read_and_a_mixed_one_is_not(tmp_path):
    stored = read_json(TINY / "reference_run" / "results.json")
    for row in stored["rows"]:
        del row["test_sha256"], row["tasks"]
    write_json(tmp_path / "old.json", stored)
    assert {row.test_sha256 for row in load_measured(tmp_path / "old.json")} == {None}
    for row, sha in zip(stored["rows"], "abbbbbb", strict=True):
        row["test_sha256"] = sha
    write_json(tmp_path / "mixed.json", stored)
    with pytest.raises(UserError, match="'direct <1>' and 'direct <2>': were measured on diff"):
        load_measured(tmp_path / "mixed.json")
    for damaged in ([], {}, {"rows": [{"method": "direct"}]}, {"rows": [3]}):
        write_json(tmp_path / "results.json", damaged)
        with pytest.raises(UserError, match="results.json: "):
            load_measured(tmp_path / "results.json")
