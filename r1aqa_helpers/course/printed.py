"""Measured numbers in one printed format, which a re-run is compared with as numbers.

A measured number may differ by rounding between machines; the tolerance is printed with it, and
``settled``, which ``notebooks/conftest.py`` calls, reads it from there.
"""

import re

from r1aqa_helpers.scoring import wilson_interval

#: The two formats of a measured number.
ACCURACY = re.compile(
    r"^(?P<name>.+): (?P<value>\d+\.\d) % "
    r"\(95 %: (?P<low>\d+\.\d) to (?P<high>\d+\.\d), n (?P<n>\d+)\)$"
)
VALUE = re.compile(
    r"^(?P<name>.+): (?P<value>-?\d+(?:\.\d*)?(?:e[+-]\d+)?) ± "
    r"(?P<tolerance>\d+(?:\.\d*)?(?:e[+-]\d+)?)(?: (?P<unit>\S.*))?$"
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


def value(name: str, number: float, tolerance: float, unit: str = "") -> None:
    """Print a measured number with its tolerance between machines.

    Args:
        tolerance: in the number's own unit; sets the decimals printed, one more than its first.
        unit: printed behind.

    Raises:
        ValueError: the tolerance is not positive.
    """
    if not tolerance > 0:
        raise ValueError(f"{name}: a tolerance above 0 is needed, not {tolerance}")
    decimals = max(0, -int(f"{tolerance:e}".split("e")[1])) + 1
    if decimals > 6:
        text = f"{number:.3e} ± {tolerance:.1e}"
    else:
        text = f"{number:.{decimals}f} ± {tolerance:.{decimals}f}"
    print(f"{name}: {text}{' ' + unit if unit else ''}")


def settled(new: str, stored: str) -> str:
    """``new``, with each measured line that agrees with its stored line replaced by that.

    An accuracy agrees when it lies in the stored 95 % interval, of as many questions; a value,
    when it is within the stored tolerance.
    """
    new_lines, stored_lines = new.split("\n"), stored.split("\n")
    if len(new_lines) != len(stored_lines):
        return new
    pairs = zip(new_lines, stored_lines, strict=True)
    return "\n".join(b if _agree(a, b) else a for a, b in pairs)


def _agree(new: str, stored: str) -> bool:
    a, b = ACCURACY.match(new), ACCURACY.match(stored)
    if a and b:
        within = float(b["low"]) <= float(a["value"]) <= float(b["high"])
        n = int(b["n"])
        # An edited accuracy does not agree with the interval printed beside it.
        interval = wilson_interval(round(float(b["value"]) / 100 * n), n)
        printed = (float(b["low"]), float(b["high"]))
        edited = any(abs(x - y) >= 0.06 for x, y in zip(interval, printed, strict=True))
        return within and not edited and (a["name"], a["n"]) == (b["name"], b["n"])
    a, b = VALUE.match(new), VALUE.match(stored)
    if a and b:
        same = all(a[part] == b[part] for part in ("name", "tolerance", "unit"))
        # Half a unit of the last digit: both numbers were rounded for printing.
        slack = 10.0 ** -len(b["value"].partition(".")[2]) if "e" not in b["value"] else 0.0
        return same and abs(float(a["value"]) - float(b["value"])) <= float(b["tolerance"]) + slack
    return False
