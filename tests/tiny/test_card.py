"""The shipped checkpoint's card says what is committed."""

from r1aqa_helpers.tiny.card import card, write_card
from r1aqa_helpers.tiny.data import MODEL
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY


def test_the_committed_card_is_the_one_that_is_written(tmp_path):
    written = write_card(tmp_path).read_text(encoding="utf-8")
    assert (MODEL / "README.md").read_text(encoding="utf-8") == written, (
        "write it again: python -m r1aqa_helpers.tiny.card"
    )


def test_the_card_holds_the_committed_figures():
    text = card().text()
    record = read_json(TINY / "pretraining.json")
    assert f"{record['parameters']:,} parameters" in text and "It hears 4 s" in text
    for name, stage in record["stages"].items():
        row = f"| stage {name} | {stage['steps']} steps of {stage['batch']} clips"
        assert (row in text) == (name != "ceiling")
    rows = read_json(TINY / "reference_run" / "results.json")["rows"]
    for row in rows:
        shown = f"| `{row['method']}` | &lt;{row['prompt']}&gt; |"
        assert (shown in text) == (row["method"] in ("direct", "zero-shot-cot")), shown
        if row["method"] == "direct":
            assert f"**{row['average']:.1f}**" in text
    assert "license: apache-2.0" in text and "# Qwen2-Audio, Base: tiny" in text
    assert "base_model" not in text.split("---")[1]  # it is one
    assert "McNemar" not in text and "trained from scratch" in text
