"""Write the figures in README.md and data/README.md from the committed JSON files.

``uv run scripts/readme_results.py`` rewrites the blocks, ``--check`` fails where one is stale.
The figures are those of ``data/tiny/reference_run/results.json`` and
``data/tiny/pretraining.json``; none is typed by hand.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "data" / "tiny" / "reference_run" / "results.json"
PRETRAINING = ROOT / "data" / "tiny" / "pretraining.json"

#: (method, prompt) of a measured row -> (method, section) of the published row beside it
BESIDE = {
    ("direct", 2): ("Direct Inference", "card"),
    ("zero-shot-cot", 3): ("Zero-Shot-CoT", "card"),
    ("sft", 2): ("SFT Full", "paper"),
    ("grpo", 2): ("GRPO", "card"),
}


def _published(method: str, section: str) -> dict | None:
    stored = json.loads((ROOT / "data" / "published_results.json").read_text(encoding="utf-8"))
    for row in stored[section]["rows"]:
        if row["model"] == "Qwen2-Audio-7B-Instruct" and row["method"].startswith(method):
            return row
    return None


def results_block() -> str:
    """The main README's table."""
    run = json.loads(RUN.read_text(encoding="utf-8"))
    lines = [
        f"Measured by `r1aqa reproduce` on the tiny track: profile `{run['profile']}`, seed "
        f"{run['seed']}, {run['n']} questions of tiny-mmau, {run['hardware']}. The last column is "
        "another model on another test: Qwen2-Audio-7B-Instruct on MMAU test-mini, as published.",
        "",
        "| method | prompt | sound | music | speech | average | 95 % interval | n "
        "| training, s | evaluation, s | published average (7B) |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in run["rows"]:
        beside = BESIDE.get((row["method"], row["prompt"]))
        published = _published(*beside) if beside else None
        low, high = row["ci95"]
        trained = f"{row['train_seconds']:.0f}" if "train_seconds" in row else "–"
        lines.append(
            f"| {row['method']} | <{row['prompt']}> | {row['sound']:.1f} | {row['music']:.1f} "
            f"| {row['speech']:.1f} | **{row['average']:.1f}** | {low:.1f}–{high:.1f} "
            f"| {row['n']} | {trained} | {row['seconds']:.0f} "
            f"| {published['average'] if published else '–'} |".replace("<", r"\<")
        )
    lines.append("")
    for test in run["comparisons"]:
        lines.append(
            f"- {test['a']} \\<{test['a_prompt']}> against {test['b']} \\<{test['b_prompt']}>: "
            f"{test['difference']:+.1f} points, McNemar's exact p = {test['mcnemar_p']:.2g}"
        )
    return "\n".join(lines)


def _ceiling(score: dict | None) -> str:
    if score is None:
        return "The ceiling of this checkpoint has not been measured."
    tasks = ", ".join(f"{name} {task['accuracy']:.1f}" for name, task in score["tasks"].items())
    weakest = sorted(score["sub-category"].items(), key=lambda item: item[1]["accuracy"])[:4]
    weak = ", ".join(f"{name} {part['accuracy']:.1f} (n {part['n']})" for name, part in weakest)
    return (
        f"The ceiling, {score['n']} questions of tiny-mmau, percent right: {tasks}, "
        f"average {score['average']:.1f}. Its weakest sub-categories: {weak}."
    )


def pretraining_block() -> str:
    """What data/README.md says of the base checkpoint."""
    record = json.loads(PRETRAINING.read_text(encoding="utf-8"))
    heard = ", ".join(f"{name} {value:.1f}" for name, value in record["tower"].items())
    lines = [
        f"The checkpoint has {record['parameters']:,} parameters, "
        f"{record['megabytes']:.1f} MB as half-precision safetensors. Measured on "
        f"{record['hardware']}.",
        "",
        "| stage | steps | clips per step | s per step | loss at the end |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, stage in record["stages"].items():
        lines.append(
            f"| {name} | {stage['steps']} | {stage['batch']} | {stage['seconds_per_step']:.2f} "
            f"| {stage['loss']:.3f} |"
        )
    lines += [
        "",
        f"The tower's own readings on {record['tower_clips']} scenes from test takes, percent "
        f"right: {heard}.",
        "",
        _ceiling(record["ceiling"]),
    ]
    return "\n".join(lines)


BLOCKS = {
    ROOT / "README.md": ("results", results_block),
    ROOT / "data" / "README.md": ("pretraining", pretraining_block),
}


def rewritten(path: Path) -> str:
    """The file's text with a fresh block between its two markers."""
    name, block = BLOCKS[path]
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    head, rest = path.read_text(encoding="utf-8").split(begin)
    _, tail = rest.split(end)
    return f"{head}{begin}\n{block()}\n{end}{tail}"


def main() -> int:
    """Rewrite or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for path in BLOCKS:
        text = rewritten(path)
        if check and text != path.read_text(encoding="utf-8"):
            print(f"{path.name}: stale figures; run `uv run scripts/readme_results.py`")
            return 1
        if not check:
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
