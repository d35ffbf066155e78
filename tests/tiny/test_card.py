"""The shipped checkpoint's card says what is committed."""

from pretraining.card import write_card

from r1aqa_helpers.tiny.data import MODEL
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY


def test_the_committed_card_is_the_one_that_is_written(tmp_path):
    written = write_card(tmp_path).read_text(encoding="utf-8")
    record = read_json(TINY / "pretraining.json")
    assert f"{record['parameters']:,} parameters" in written and "stage ceiling" not in written
    assert (MODEL / "README.md").read_text(encoding="utf-8") == written, (
        "write it again: python scripts/pretraining/card.py"
    )
