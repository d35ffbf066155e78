"""The ledger: every number shown has a row, and every row says where it comes from."""

import importlib.util
import sys
from pathlib import Path

import pytest

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.ledger import LEDGER, Entry, ledger_text, read_ledger, write_ledger

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("ledger_script", ROOT / "scripts" / "ledger.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["ledger_script"] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")  # where it finds its parts
        spec.loader.exec_module(module)
    return module


def test_the_committed_ledger_is_what_the_committed_files_give(script):
    assert LEDGER.read_text(encoding="utf-8") == ledger_text(script.entries()), (
        "stale: run scripts/ledger.py"
    )


def test_every_entry_can_be_traced():
    entries = read_ledger()
    assert len(entries) > 500
    for entry in entries.values():
        assert entry.source, entry.id
        # A mean over seeds comes from a folder of runs.
        place = ROOT / entry.source
        assert entry.source.startswith("https://") or place.is_file() or [*place.glob("*.json")], (
            entry.id
        )
        if entry.kind != "published":
            assert entry.command, entry.id
        if entry.unit == "%" and entry.kind in ("own", "floor") and entry.low is not None:
            assert entry.low <= entry.value <= entry.high and entry.n, entry.id


def test_the_discrepancies_of_the_sources_are_rows():
    ids = [id for id in read_ledger() if id.startswith("published/discrepancies/")]
    assert len(ids) == 24 and any("llama-3" in id for id in ids)
    assert any("outside-run" in id for id in ids) and any("zero-shot-cot" in id for id in ids)


@pytest.mark.parametrize("name", ["README.md", "data/README.md"])
def test_every_number_in_a_generated_block_has_a_row(script, name):
    text = (ROOT / name).read_text(encoding="utf-8")
    known = list(read_ledger().values())
    assert script.strays(text, known) == []
    # And one that was altered by hand is found.
    start = text.index(":begin -->")
    altered = text[:start] + ":begin -->\n91.2345 and 7.7e-99" + text[start + 10 :]
    assert script.strays(altered, known) == ["91.2345", "7.7e-99"]


def test_measured_lines_of_notebooks_are_read(script):
    text = (
        "seen: x\ndirect <2>: 56.9 % (95 %: 53.8 to 59.9, n 1000)\nloss, begin: -1.2 ± 0.1 nats\n"
    )
    (first, percent), (second, value) = script.printed(text)
    assert (first, percent["value"], percent["n"]) == ("direct <2>", 56.9, 1000)
    assert (second, value["value"], value["unit"]) == ("loss, begin", -1.2, "nats")


ENTRIES = [
    Entry("b/x", 1.5, unit="%", n=3, low=0.1, high=9.0, kind="floor", seed=0, note='a, "b"\nc'),
    Entry("a", 1 / 3),
]


def test_what_is_written_is_read_again(tmp_path):
    write_ledger(tmp_path / "l.csv", ENTRIES)
    found = read_ledger(tmp_path / "l.csv")
    assert list(found) == ["a", "b/x"] and found["b/x"] == ENTRIES[0]
    assert found["a"].value == pytest.approx(1 / 3, abs=1e-9) and found["a"].n is None
    with pytest.raises(ValueError, match="a stands twice"):
        ledger_text([ENTRIES[1], ENTRIES[1]])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.replace("id,value", "id,worth"), "l.csv:1: the columns must be"),
        (lambda t: t.replace("b/x,1.5", "b/x,much"), "field value: 'much' is no number"),
        (lambda t: t.replace("b/x,1.5", "b/x,"), "field value: is empty"),
        (lambda t: t.replace("floor", "flour"), "field kind: 'flour'"),
        (lambda t: t.replace("b/x", "a"), "id a stands twice"),
        (lambda t: t.replace("a,0.3333333333", "a,0.3333333333,,,,,,,,,,,,,,,,,,,"), "too many"),
    ],
)
def test_damage_is_told_in_one_line(tmp_path, change, message):
    (tmp_path / "l.csv").write_text(change(ledger_text(ENTRIES)), encoding="utf-8")
    with pytest.raises(UserError) as fault:
        read_ledger(tmp_path / "l.csv")
    assert message in str(fault.value) and "\n" not in str(fault.value)
