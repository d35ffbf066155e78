"""Write README's results block from the committed reference run.

``uv run scripts/readme_results.py`` rewrites the block, ``--check`` fails where it is stale.
The figures are those of ``data/tiny/reference_run/results.json``; none is typed by hand.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "data" / "tiny" / "reference_run" / "results.json"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"

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


def block() -> str:
    """The markdown between the two markers."""
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


def rewritten(text: str) -> str:
    """README with a fresh block."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{block()}\n{END}{tail}"


def main() -> int:
    """Rewrite or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if check and rewritten(text) != text:
        print("README.md: results are stale; run `uv run scripts/readme_results.py`")
        return 1
    if not check:
        readme.write_text(rewritten(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
