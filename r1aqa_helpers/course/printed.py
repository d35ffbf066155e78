"""Measured numbers in one printed format, which a re-run is compared with as numbers.

Two machines round differently, so that a re-run may differ by one unit of the last printed digit.
Where training or sampling is behind a number, it may lie anywhere in its band: ``bands.json`` says
where one more run comes out, and `scripts/notebooks.py bands` measures that.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from r1aqa_helpers.scoring import wilson_interval
from r1aqa_helpers.scoring.seeds import next_seed
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

#: Notebook number -> name of a printed line -> its band: low, high, and from where it is.
BANDS = DATA / "course" / "bands.json"
#: How far an accuracy without a band may move, in percent of its questions: floating-point ties.
TIES = 1.0
#: How probable it is that a line with a band lies in it where a notebook is run anew. The notebooks
#: print some forty such lines: at 95 %, two would fall outside on every machine that rounds anew.
LEVEL = 0.99

#: The two formats of a measured number. A number without decimals is a count: it never moves.
ACCURACY = re.compile(
    r"^(?P<name>.+): (?P<value>\d+\.\d) % "
    r"\(95 %: (?P<low>\d+\.\d) to (?P<high>\d+\.\d), n (?P<n>\d+)\)$"
)
VALUE = re.compile(
    r"^(?P<name>.+): (?P<value>-?\d[\d,]*(?:\.(?P<decimals>\d+))?(?:e(?P<power>[+-]\d+))?)"
    r"(?: (?P<unit>(?!% \()\S.*))?$"
)


def accuracy(name: str, correct: int, n: int) -> None:
    """Print a measured accuracy with its 95 % Wilson interval and its number of questions.

    Raises:
        ValueError: there are no questions, or more correct answers than questions.
    """
    if not 0 <= correct <= n or n == 0:
        raise ValueError(f"{name}: {correct} correct of {n} questions")
    low, high = wilson_interval(correct, n)
    print(f"{name}: {100 * correct / n:.1f} % (95 %: {low:.1f} to {high:.1f}, n {int(n)})")


def value(name: str, number: float, digits: int = 2, unit: str = "") -> None:
    """Print a measured number, like ``loss: 1.23 nats``.

    Args:
        digits: decimals. A number too small for them is printed as ``1.23e-05``.
        unit: printed behind the number.
    """
    small = 0 < abs(number) < 0.5 * 10**-digits
    text = f"{number:.{digits}e}" if small else f"{number:z,.{digits}f}"
    print(f"{name}: {text}{' ' + unit if unit else ''}")


def read_bands(number: str) -> dict[str, dict[str, Any]]:
    """The bands of the notebook of that number, by the name of the line; {} where it has none."""
    return read_json(BANDS).get(number, {}) if BANDS.is_file() else {}


def settled(new: str, stored: str, bands: Mapping[str, Mapping[str, Any]] | None = None) -> str:
    """``new``, with each measured line that agrees with its stored line replaced by that.

    A line whose name has a band agrees where its number lies in the band. Any other value may be
    one unit of its last digit away, any other accuracy one answer, or `TIES` percent of the
    questions. An accuracy needs as many questions as the stored one.
    """
    new_lines, stored_lines = new.split("\n"), stored.split("\n")
    if len(new_lines) != len(stored_lines):
        return new
    pairs = zip(new_lines, stored_lines, strict=True)
    return "\n".join(b if _agree(a, b, bands or {}) else a for a, b in pairs)


def measured_lines(text: str) -> dict[str, float]:
    """The number of every measured line of a cell's printed text, by the line's name."""
    found = (ACCURACY.match(line) or VALUE.match(line) for line in text.split("\n"))
    return {one["name"]: _number(one) for one in found if one}


def band(lines: Sequence[str]) -> tuple[float, float] | None:
    """Where the number of one more run will lie with a probability of `LEVEL`.

    None where all have the same number: no seed is behind it.

    Args:
        lines: the same measured line, as each of two or more runs printed it.
    """
    matches = (ACCURACY.match(line) or VALUE.match(line) for line in lines)
    found = [one for one in matches if one is not None]
    numbers = [_number(one) for one in found]
    if len(set(numbers)) == 1:
        return None
    low, high = next_seed(numbers, LEVEL)
    middle, half = (low + high) / 2, max((high - low) / 2, *map(_unit, found))
    return float(f"{middle - half:.4g}"), float(f"{middle + half:.4g}")


def _agree(new: str, stored: str, bands: Mapping[str, Mapping[str, Any]]) -> bool:
    a, b = ACCURACY.match(new), ACCURACY.match(stored)
    accuracies = bool(a and b)
    if not accuracies:
        a, b = VALUE.match(new), VALUE.match(stored)
    if not (a and b) or a["name"] != b["name"]:
        return False
    if accuracies and (a["n"] != b["n"] or _edited(b)):
        return False
    if not accuracies and a["unit"] != b["unit"]:
        return False
    if a["name"] in bands:
        return bands[a["name"]]["low"] <= _number(a) <= bands[a["name"]]["high"]
    if accuracies:
        return abs(_correct(a) - _correct(b)) <= max(1, int(a["n"]) * TIES / 100)
    if not (a["decimals"] and b["decimals"]):
        return a["value"] == b["value"]
    # A little more: 0.3 - 0.2 is not exactly 0.1.
    return abs(_number(a) - _number(b)) <= 1.0001 * max(_unit(a), _unit(b))


def _edited(line: re.Match) -> bool:
    """Whether an accuracy does not fit the interval that is printed beside it."""
    interval = wilson_interval(_correct(line), int(line["n"]))
    printed = (float(line["low"]), float(line["high"]))
    return any(abs(x - y) >= 0.06 for x, y in zip(interval, printed, strict=True))


def _number(line: re.Match) -> float:
    return float(line["value"].replace(",", ""))


def _correct(line: re.Match) -> int:
    return round(_number(line) / 100 * int(line["n"]))


def _unit(line: re.Match) -> float:
    """One unit of the last printed digit; of an accuracy as much as it may move without a band."""
    if line.re is ACCURACY:
        return max(100 / int(line["n"]), TIES)
    return 10.0 ** (int(line["power"] or 0) - len(line["decimals"] or ""))
