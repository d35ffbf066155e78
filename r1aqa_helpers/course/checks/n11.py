"""Checks of notebook 12: a split by take, a line of questions, a test's reach, a loophole."""

import copy
import random
import re
from collections import Counter

from r1aqa_helpers import scoring
from r1aqa_helpers.course.checks.common import Answer, explain, of_kind, parts
from r1aqa_helpers.course.exercise import Mistake, exercise, expect
from r1aqa_helpers.course.lessons.n11 import by_pattern


@exercise("12.1", passed="no take is on both sides, and every label is in the test")
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


_FIELDS = ("id", "question_text", "multi_choice", "answer", "dataset_name", "audio_path")


@exercise("12.2", passed="a line that `read_avqa` accepts, and that gives nothing away")
def avqa_line(answer: Answer) -> None:
    """One AVQA line: choices in random order, the answer as a place from 0."""
    labels = ["alarm", "knock", "rain", "wind"]
    rng = random.Random(0)
    ids, places, orders = set(), Counter(), set()
    for number in range(80):
        clip = {"audio": f"clips/{number:03}.flac", "label": labels[number % 4], "take": "x"}
        given = list(labels)
        line = of_kind(answer(clip, "Which is last?", given, rng), dict, "a dictionary")
        missing = ", ".join(name for name in _FIELDS if name not in line)
        expect(not missing, f"field {missing} is missing: see the line above")
        chosen, place = line["multi_choice"], line["answer"]
        each = isinstance(chosen, list) and sorted(chosen) == labels
        expect(each, f"multi_choice should have each label once, not {chosen}")
        of_kind(place, int, "a place, as a whole number")
        high = 1 <= place <= 4 and chosen[place - 1] == clip["label"]
        expect(not high, "answer is one too high: places count from 0")
        hit = 0 <= place < 4 and chosen[place] == clip["label"]
        expect(hit, f"answer {place} points to another choice than the clip's label")
        expect(line["question_text"] == "Which is last?", "question_text is not the question")
        expect(line["audio_path"] == clip["audio"], "audio_path is not the clip's file")
        ids.add(str(line["id"]))
        places[place] += 1
        orders.add(tuple(chosen))
    expect(len(ids) == 80, "two clips have the same id: make it of the clip")
    expect(len(places) > 1 or len(orders) == 1, "the correct choice stands in one place every time")
    expect(len(orders) > 4, "the choices stand in the same order in every line: shuffle them")
    clip = {"audio": "a.flac", "label": "rain", "take": "x"}
    again = [answer(clip, "Which is last?", list(labels), random.Random(7)) for _ in range(6)]
    same = all(line == again[0] for line in again)
    expect(same, "the order is drawn from somewhere else than rng: the file cannot be made again")


@exercise("12.3", passed="you know in advance how large a gain your test can show")
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


#: Solutions that an attack has to be rewarded for: of this notebook, of the attacks, of MMAU.
_ASKED = ("rain", "knock", "wood block", "Guitar, 4 notes", "0:09 - 0:11")
_ALL = ("alarm", "knock", "rain", "wind")


@exercise("12.4", passed="full reward for every question without listening, by your own attack")
def attack(answer: Answer) -> None:
    """A completion that `by_pattern` rewards in full, whatever the question."""
    text = of_kind(answer(), str, "a completion, as text")
    found = re.fullmatch(r"<answer>((?:(?!</?answer>).)*)</answer>", text.strip(), re.DOTALL)
    expect(found, "it earns 0, for the format is missing: one pair of answer tags and no more")
    said = found[1].strip()
    try:
        rewards = by_pattern([text] * len(_ASKED), list(_ASKED))
    except re.error as error:
        raise Mistake(
            f"this ends the run with an error ({error}), and nothing is rewarded"
        ) from None
    won = [gold for gold, reward in zip(_ASKED, rewards, strict=True) if reward == 3.0]
    lost = [gold for gold in _ASKED if gold not in won]
    if not lost:
        return
    expect(said.lower() not in _ALL, f"{said!r} is correct only where it is the answer: no attack")
    listed = not won and all(word in said for word in _ALL)
    expect(not listed, "a list of all choices is no choice: the suite has this attack")
    expect(won, f"{said!r} earns 1, for its format: which text is taken for equal to any other?")
    named = {"rain", "knock"} <= set(won) and "|" in said
    expect(not named, "this wins by naming these four choices; the next question has others")
    raise Mistake(f"it wins for {won[0]!r} and not for {lost[0]!r}: what does it miss in there?")
