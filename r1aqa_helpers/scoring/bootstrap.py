"""Comparing two methods over seeds: per seed on the same questions, and pooled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from r1aqa_helpers.scoring.statistics import McNemar, mcnemar
from r1aqa_helpers.utils.errors import UserError

RESAMPLES = 10_000
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """Method a against method b in a regime; all figures in percentage points of accuracy.

    Attributes:
        per_seed: the paired test of each seed.
        difference: a minus b, the mean over the seeds that both have.
        ci95: from the 2.5th to the 97.5th percentile of resampled differences.
        p: two-sided, from the same resamples; at least 1 / (`RESAMPLES` + 1).
        holm: p, corrected for all comparisons that are shown; None until it has been.
    """

    regime: str
    a: str
    b: str
    per_seed: Mapping[int, McNemar]
    difference: float
    ci95: tuple[float, float]
    p: float
    holm: float | None = None

    @property
    def verdict(self) -> str:
        """Of a, at 5 % after Holm: "ahead", "behind", or "not significantly different"."""
        p = self.p if self.holm is None else self.holm
        if p >= SIGNIFICANT:
            return "not significantly different"
        return "ahead" if self.difference > 0 else "behind"


def compare_over_seeds(
    regime: str, a: str, b: str, matches_a: Mapping[int, str], matches_b: Mapping[int, str]
) -> Comparison:
    """Compare two methods, given by seed a text of a 1 or 0 per test question, in one order.

    The pooled interval draws questions and seeds with replacement, both at once, so that it
    holds the sampling noise of the questions and the variance over seeds. Resampling k seeds
    shows only (k - 1) / k of their variance: with few seeds the interval is too narrow.

    Source: two-way (pigeonhole) bootstrap, A. B. Owen, The pigeonhole bootstrap, Annals of
    Applied Statistics 1 (2007).

    Raises:
        UserError: no seed in common, or other questions.
    """
    seeds = sorted(matches_a.keys() & matches_b.keys())
    if not seeds:
        raise UserError(f"comparing {a} with {b}: they have no tested seed in common")
    if len({len(m[seed]) for m in (matches_a, matches_b) for seed in seeds}) > 1:
        raise UserError(f"comparing {a} with {b}: they were tested on different questions")
    ours, theirs = (_digits([m[seed] for seed in seeds]) for m in (matches_a, matches_b))
    tests = {
        seed: mcnemar(*(dict(enumerate(digits)) for digits in pair))
        for seed, *pair in zip(seeds, ours, theirs, strict=True)
    }
    low, high, p = pooled(ours - theirs)
    return Comparison(regime, a, b, tests, float(100 * (ours - theirs).mean()), (low, high), p)


def interval(matches: Mapping[int, str]) -> tuple[float, float]:
    """The 95 % interval of the mean accuracy over seeds, drawn as in `compare_over_seeds`."""
    low, high, _ = pooled(_digits([matches[seed] for seed in sorted(matches)]))
    return low, high


def pooled(signs: np.ndarray) -> tuple[float, float, float]:
    """Ends of the interval in points, and p, from (seeds, questions) differences of -1, 0, 1.

    Both questions and seeds are drawn with replacement, `RESAMPLES` times.
    """
    rng = np.random.default_rng(0)
    seeds, questions = signs.shape
    drawn = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, 1000):
        chosen = rng.multinomial(questions, np.full(questions, 1 / questions), 1000)
        runs = rng.multinomial(seeds, np.full(seeds, 1 / seeds), 1000)
        part = np.einsum("rs,rs->r", runs, chosen @ signs.T) / (seeds * questions)
        drawn[start : start + 1000] = 100 * part
    low, high = np.percentile(drawn, [2.5, 97.5])
    tail = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(low), float(high), float(min(1.0, 2 * (tail + 1) / (RESAMPLES + 1)))


def _digits(matches: Sequence[str]) -> np.ndarray:
    """(texts, digits) of texts of 0 and 1."""
    return np.array([list(map(int, text)) for text in matches])
