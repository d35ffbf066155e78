"""Checks of notebook 11: how large a gain a test can show, and a split by take."""

import copy
import random
from collections import Counter

from r1aqa_helpers import scoring
from r1aqa_helpers.course.checks.common import Answer, explain, of_kind, parts
from r1aqa_helpers.course.exercise import exercise, expect


@exercise("11.1", passed="you know in advance how large a gain your test can show")
def smallest_win(answer: Answer) -> None:
    """The least number of questions won, for so many lost, at which McNemar's p is under 0.05."""
    expected = [_least(lost) for lost in range(9)]
    got = [of_kind(answer(lost), int, "a whole number of questions") for lost in range(9)]
    mistakes = {
        "6 are enough where none is lost; but every lost question counts": [6] * 9,
        "a lead of 6 is not always enough: 7 to 1 gives p = 0.07": [n + 6 for n in range(9)],
        "this is how many more are won than lost": [won - n for n, won in enumerate(expected)],
        "this is how many differ, won and lost": [won + n for n, won in enumerate(expected)],
    }
    other = ""
    for lost, (least, won) in enumerate(zip(expected, got, strict=True)):
        p = scoring.mcnemar_p(won, lost)
        if won != least and not other:
            other = f"{won} won and {lost} lost give p = {p:.3f}, which is not below 0.05"
            if won <= lost:
                other = f"{won} won against {lost} lost is no gain: more have to be won"
            elif p / 2 < 0.05 <= p:
                other = f"{won} won, {lost} lost: p is {p:.3f}; half of it is for one side only"
            elif won > least:
                other = f"{won} won against {lost} lost are enough, but so are {won - 1}"
    explain(got, expected, mistakes, other)


def _least(lost: int) -> int:
    won = lost + 1
    while scoring.mcnemar_p(won, lost) >= 0.05:
        won += 1
    return won


@exercise("11.3", passed="no take is on both sides, and every label is in the test")
def split_clips(answer: Answer) -> None:
    """(training, test): of each label so many takes go to the test, with all their clips."""
    takes = [(label, f"{label}/{take}") for _ in range(2) for take in range(5) for label in "abc"]
    clips = [
        {"audio": f"{number:03}.flac", "label": label, "take": take}
        for number, (label, take) in enumerate(takes)
    ]
    given, state = copy.deepcopy(clips), random.getstate()
    got = parts(answer(given, 2, 0), "training and test, two lists of clips")
    train, test = (of_kind(side, list, "a list of clips on each side") for side in got)
    shared = random.getstate() != state
    expect(not shared, "the module random is shared by everybody: use random.Random(seed)")
    expect(given == clips, "the list that came in was changed: leave it as it is")
    both = {c["take"] for c in train} & {c["take"] for c in test}
    expect(not both, f"take {min(both, default='')!r} has clips on both sides")
    counts = Counter(clip["audio"] for clip in [*train, *test])
    lost = len(clips) - len(counts)
    expect(not lost, f"{lost} of {len(clips)} clips are on neither side")
    held = Counter(take[0] for take in {c["take"] for c in test})
    without = min(set("abc") - set(held), default="")
    expect(not without, f"the test has no clip of {without!r}: draw takes from each label")
    single = set(held.values()) == {1}
    expect(not single, "the test has one take of each label, not 2: takes count, not clips")
    expect(set(held.values()) == {2}, f"2 takes of each label are wanted, not {dict(held)}")
    expect(answer(clips, 2, 0) == got, "the same seed should give the same split, and does not")
    varied = any(answer(clips, 2, seed)[1] != test for seed in range(1, 6))
    expect(varied, "every seed gives the same split: the takes of the test should be drawn")
