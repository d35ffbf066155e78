"""Write the figures in README.md and data/README.md from the committed JSON files.

``uv run scripts/readme_results.py`` rewrites the blocks, ``--check`` fails where one is stale.
The figures are those of ``data/tiny/reference_run/results.json``, ``data/results/tiny/runs``,
``data/tiny/pretraining.json`` and ``benchmarks/results/*.json``; none is typed by hand.
"""

import argparse
import json
import sys
from pathlib import Path

from readme_experiment import experiment_block

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "data" / "tiny" / "reference_run" / "results.json"
SPEED = ROOT / "benchmarks" / "results"
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


def _side(seconds: dict[str, float]) -> str:
    return f"{seconds['plain']:.2f} → {seconds['shared']:.2f} s"


def speed_block() -> str:
    """The main README's table of what sharing saves."""
    read = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in SPEED.glob("*")}
    update, published, asked, counted = (
        read[name] for name in ("grpo_update", "reference_trainer", "evaluation", "flops")
    )
    stages = ("update", "forward_backward", "rollout", "reference")
    lines = [
        f"Measured on {update['hardware']}, tiny model, float32, answers of 9 tokens: medians of "
        f"{update['n']} alternating runs, without sharing → with it.",
        "",
        "| prompts | G | questions | whole update | forward and backward | rollout | reference |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for cell in update["cells"]:
        cells = " | ".join(
            f"{_side(cell['median_seconds'][stage])}, **{cell['ratios'][stage]:.1f}×**"
            for stage in stages
        )
        lines.append(f"| {cell['prompt']} | {cell['group']} | {cell['questions']} | {cells} |")
    seconds = published["median_seconds"]
    alone = asked["stages"]
    lines += [
        "",
        f"- An update as the published trainer performs it ({published['questions']} questions "
        f"× {published['group']} answers): {seconds['published']:.2f} s against "
        f"{seconds['shipped']:.2f} s, **{published['update_vs_published']:.1f}×**, medians of "
        f"{published['n']}.",
        f"- Answering {asked['questions']} questions by the published loop and by `answering`: "
        f"**{asked['ratio']:.1f}×**, {asked['differing']} answers differ, medians of "
        f"{asked['n']}. `answering` takes {asked['of_stages']:.2f} of the sum of what no "
        "evaluation can leave out, each timed alone: "
        + ", ".join(f"{name} {value:.1f} s" for name, value in alone.items())
        + ".",
    ]
    tera = {way: flops["total"] / 1e12 for way, flops in counted["cases"]["avqa"]["flops"].items()}
    tiny = counted["cases"]["tiny"]["flops"]["shared full"]
    tower = tiny["encoder"] * 5 / 3  # three passes forward, and one backward, which counts two
    lines.append(
        f"- Counted by `benchmarks/flops.py`: an AVQA group of 8 at 7B takes "
        f"{tera['published full']:.0f} TFLOP as published, {tera['shared full']:.0f} with sharing, "
        f"{tera['shared lora']:.0f} with sharing, LoRA and a frozen tower. Of the tiny model's "
        f"update with sharing, {100 * tower / tiny['total']:.0f} % is the audio tower's."
    )
    cards = [name for name in read if name.startswith("gpu_7b")]
    lines.append(
        "- The 7B architecture on a GPU: see "
        + ", ".join(f"`benchmarks/results/{name}.json`" for name in cards)
        + "."
        if cards
        else "- The 7B architecture on a GPU: not measured; `python benchmarks/gpu_7b.py` does it."
    )
    return "\n".join(lines)


def _source(figures: dict[str, dict]) -> str:
    return "; ".join(dict.fromkeys(figure["source"] for figure in figures.values())) or "not known"


def profiles_block() -> str:
    """The main README's table of what each profile takes."""
    read = json.loads((SPEED / "budgets.json").read_text(encoding="utf-8"))
    parts = {"answering": "answering", "sft": "SFT", "grpo": "GRPO"}
    lines = [
        "| profile | GPU | GRPO: steps × questions × answers | GB: answering | SFT | GRPO "
        "| which is |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    minutes = []
    for name, one in read["profiles"].items():
        gpu, steps = one["gpu"] or "–", one["grpo"]
        gpu = gpu if one["gpus"] == 1 else f"{one['gpus']} × {gpu}"
        memory = " | ".join(f"{one['memory'][part]['value'] / 1e9:.1f}" for part in parts)
        lines.append(
            f"| `{name}` | {gpu} | {steps['steps']} × {steps['prompts_per_step']} × "
            f"{steps['group_size']} | {memory} | {_source(one['memory'])} |"
        )
        if found := one["minutes"]:
            times = ", ".join(
                f"{parts[part]} {figure['value']:.1f}" for part, figure in found.items()
            )
            minutes.append(f"Minutes with `{name}`: {times}: {_source(found)}.")
    checks = read["checks"]
    ratios = [check["measured_by_computed"] for check in checks["memory"]]
    lines += [
        "",
        *minutes,
        f"On {read['where']['hardware']}, {read['where']['date']}, the tensors of {len(ratios)} "
        f"whole GRPO updates of the tiny model took {min(ratios):.2f} to {max(ratios):.2f} of the "
        f"computed bytes, and an update {checks['time']['measured_by_at_least']:.1f} times the "
        "seconds that its FLOPs take at the machine's own rate.",
    ]
    return "\n".join(lines)


README = ROOT / "README.md"
#: where which block stands
BLOCKS = [
    (README, "results", results_block),
    (README, "experiment", experiment_block),
    (README, "profiles", profiles_block),
    (README, "speed", speed_block),
    (ROOT / "data" / "README.md", "pretraining", pretraining_block),
]


def rewritten(path: Path, text: str) -> str:
    """The file's ``text`` with fresh blocks between their markers."""
    for place, name, block in BLOCKS:
        if place == path:
            begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
            head, rest = text.split(begin)
            _, tail = rest.split(end)
            text = f"{head}{begin}\n{block()}\n{end}{tail}"
    return text


def main() -> int:
    """Rewrite or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for path in dict.fromkeys(place for place, _, _ in BLOCKS):
        now = path.read_text(encoding="utf-8")
        text = rewritten(path, now)
        if check and text != now:
            print(f"{path.name}: stale figures; run `uv run scripts/readme_results.py`")
            return 1
        if not check:
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
