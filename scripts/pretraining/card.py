"""The shipped checkpoint's model card, from committed figures.

``python scripts/pretraining/card.py`` writes it again, after a pre-training or a new reference run.
"""

from pathlib import Path
from typing import Any

from r1aqa_helpers.models import CARD, CardFields
from r1aqa_helpers.reporting.card_results import results_markdown
from r1aqa_helpers.tiny.data import MODEL
from r1aqa_helpers.utils.io import read_json, write_text
from r1aqa_helpers.utils.paths import TINY

#: How the reference run asked the checkpoint itself; its other rows are of what was trained on it.
_UNTRAINED = ("direct", "zero-shot-cot")


def card() -> CardFields:
    """The card, from ``pretraining.json``, the reference run and the checkpoint's processor.

    Raises:
        UserError: one of these files is missing or damaged.
    """
    record = read_json(TINY / "pretraining.json")
    extractor = read_json(MODEL / "processor_config.json")["feature_extractor"]
    return CardFields(
        base=str(MODEL),
        method="pretraining",
        settings=_facts(record),
        results=results_markdown(_untrained(read_json(TINY / "reference_run" / "results.json"))),
        parameters=record["parameters"],
        window_seconds=extractor["chunk_length"],
    )


def write_card(folder: Path = MODEL) -> Path:
    """Write the card into ``folder``; its path."""
    write_text(folder / CARD, card().text())
    return folder / CARD


def _facts(record: dict[str, Any]) -> dict[str, str]:
    """The stages whose outcome is shipped, and how much the audio encoder recognises."""
    facts = {
        f"stage {name}": (
            f"{stage['steps']} steps of {stage['batch']} clips, learning rate "
            f"{stage['learning_rate']}, loss at the end {stage['loss']:.3f}"
        )
        for name, stage in record["stages"].items()
        if name != "ceiling"  # which shows what can be elicited, and is not shipped
    }
    heard = ", ".join(f"{name} {share:.1f}" for name, share in record["encoder"].items())
    clips = record["encoder_clips"]
    return {
        **facts,
        f"read by the audio encoder alone, percent correct of {clips} scenes": heard,
        "hardware of the pre-training": record["hardware"],
    }


def _untrained(results: dict[str, Any]) -> dict[str, Any]:
    rows = [row for row in results["rows"] if row["method"] in _UNTRAINED]
    return {**results, "rows": rows, "comparisons": []}


if __name__ == "__main__":
    print(write_card())
