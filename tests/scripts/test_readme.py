"""README has exactly the committed runs' figures, and what it says of them holds."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import readme

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.experiments.summary import load_records, summarise
from r1aqa_helpers.scoring import extract_answer, score
from r1aqa_helpers.utils.io import read_json, read_log

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "data" / "results" / "tiny"
REFERENCE = ROOT / "data" / "tiny" / "reference_run"


def test_results_block_is_generated():
    run = subprocess.run(
        [sys.executable, "scripts/readme.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    table = [line.split(" | ") for line in (ROOT / "README.md").read_text("utf-8").splitlines()]
    beside = {tuple(row[:2]): row[-1] for row in table if len(row) == 11}
    assert beside["| grpo", r"\<2>"] == "64.5 |"
    # The paper's SFT had another prompt; direct inference and CoT are other authors'.
    unlike = (("direct", 1), ("direct", 2), ("zero-shot-cot", 3), ("sft", 2), ("cota", 3))
    assert {beside[f"| {name}", rf"\<{prompt}>"] for name, prompt in unlike} == {"– |"}


def test_readme_is_short_and_its_first_screen_says_what_is_verified_and_what_is_not():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 1200, "move something to docs/"
    first, _, _ = text.partition("\n## ")
    for question in ("For whom?", "What will you see?", "How long?", "verified?", "What is not?"):
        assert f"{question}** " in first
    assert "](docs/training.svg)" in first and "7B" in first


def test_readme_has_no_badge_without_an_address():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {})
    badges = (ROOT / "README.md").read_text(encoding="utf-8").count("[![")
    assert badges == (3 if "Repository" in urls else 0)


def test_results_without_the_rows_of_the_caveats_are_one_line(monkeypatch, tmp_path):
    for record in (RESULTS / "runs").glob("*.json"):
        if "sft-random" not in record.name:
            (tmp_path / record.name).symlink_to(record)
    monkeypatch.setattr(readme, "_experiment", lambda: ([], summarise(load_records(tmp_path))))
    with pytest.raises(SystemExit, match="lacks table sft-random direct-2, which README's caveats"):
        readme.caveats_block()


def test_every_results_file_says_where_it_comes_from():
    paths = [REFERENCE / "results.json", *(ROOT / "benchmarks" / "results").glob("*.json")]
    names = ("cascade", "probes", "sampled", "experiment")
    paths += [RESULTS / f"{name}.json" for name in names]
    paths += [*(RESULTS / "runs").glob("*.json")]
    assert len(paths) > 50
    for path in paths:
        stored = read_json(path)
        told = stored | stored.get("provenance", {}) | stored.get("where", {})
        assert {"command", "date", "hardware"} <= told.keys(), path
        assert told.get("commit") or told.get("recorded_in"), path


def test_most_of_what_grpo_wins_had_named_no_choice_before():
    asked = read_questions(ROOT / "data" / "tiny" / "tiny-mmau.json")

    def verdicts(method: str) -> list:
        rows = read_log(REFERENCE / "answers" / f"{method}.jsonl")
        return score(asked, {row["id"]: extract_answer(row["response"]) for row in rows}).verdicts

    pairs = zip(verdicts("direct-2"), verdicts("grpo"), strict=True)
    won = [was for was, now in pairs if now.correct and not was.correct]
    assert len(won) > 200 and sum(was.unparsed for was in won) > len(won) / 2
