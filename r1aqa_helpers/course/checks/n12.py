"""Checks of notebook 12: a split by take, a line of questions, a test's reach, a loophole."""

import copy
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from r1aqa_helpers import scoring
from r1aqa_helpers.course.exercise import exercise, expect
from r1aqa_helpers.course.loopholes import by_pattern

Row = Mapping[str, Any]


@exercise("12.1", passed="no performance is on both sides, and every label is in the test")
def split_clips(answer: Callable[[list[dict], int, int], Any]) -> None:
    """(training, test): of each label so many takes go to the test, with all their clips."""
    clips = [
        {"audio": f"{number:03}.flac", "label": label, "take": f"{label}/{take}"}
        for number, (take, label, _) in enumerate(
            (take, label, clip) for clip in range(2) for take in range(5) for label in "abc"
        )
    ]
    given = copy.deepcopy(clips)
    state = random.getstate()
    got = answer(given, 2, 0)
    expect(
        isinstance(got, tuple | list) and len(got) == 2 and all(isinstance(s, list) for s in got),
        "two lists of clips are wanted: return training, test",
    )
    expect(
        random.getstate() == state,
        "this draws from the module random, whose draws everybody shares: use random.Random(seed)",
    )
    expect(
        given == clips, "the list that came in was changed: leave the caller's clips as they are"
    )
    train, test = got
    expect(
        all(clip in clips for clip in [*train, *test]),
        "put the clips themselves into the lists, as they came in",
    )
    both = {c["take"] for c in train} & {c["take"] for c in test}
    expect(
        not both,
        f"take {min(both, default='')!r} has clips on both sides: the test would ask about a "
        "performance that was trained on",
    )
    counts = Counter(clip["audio"] for clip in [*train, *test])
    expect(max(counts.values()) == 1, "a clip is there twice")
    expect(
        len(counts) == len(clips),
        f"{len(clips) - len(counts)} of {len(clips)} clips are on neither side",
    )
    held = Counter(take.partition("/")[0] for take in {c["take"] for c in test})
    expect(
        held != Counter({"a": 3, "b": 3, "c": 3}),
        "training and test are exchanged: training comes first",
    )
    expect(
        set(held) == set("abc"),
        f"the test has no clip of {min(set('abc') - set(held), default='')!r}: draw takes from "
        "each label",
    )
    expect(
        set(held.values()) != {1},
        "the test has one take of each label, where 2 were asked for: it is takes that are "
        "counted, not their clips",
    )
    expect(
        set(held.values()) == {2},
        f"the test should have 2 takes of each label, and has {dict(sorted(held.items()))}",
    )
    expect(answer(clips, 2, 0) == got, "the same seed should give the same split, and does not")
    expect(
        any(answer(clips, 2, seed)[1] != test for seed in range(1, 6)),
        "every seed gives the same split: which takes go to the test should be drawn",
    )


_FIELDS = ("id", "question_text", "multi_choice", "answer", "dataset_name", "audio_path")


@exercise("12.2", passed="a line that `read_avqa` takes, and from which nobody can guess")
def avqa_line(answer: Callable[[Row, str, list[str], random.Random], Any]) -> None:
    """One AVQA line: choices in random order, the answer as a place from 0."""
    labels = ["alarm", "knock", "rain", "wind"]
    rng = random.Random(0)
    places = []
    for number in range(80):
        clip = {"audio": f"clips/{number:03}.flac", "label": labels[number % 4], "take": "x"}
        given = list(labels)
        line = answer(clip, "Which is last?", given, rng)
        expect(isinstance(line, dict), f"a dictionary is wanted, not a {type(line).__name__}")
        missing = [name for name in _FIELDS if name not in line]
        expect(not missing, f"field {', '.join(missing)} is missing: see the line above")
        expect(
            given == labels,
            "the list of labels was shuffled in place, and with it every line's after this one",
        )
        chosen = line["multi_choice"]
        expect(
            isinstance(chosen, list) and sorted(chosen) == labels,
            f"multi_choice should have each label once, not {chosen}",
        )
        place = line["answer"]
        expect(
            not isinstance(place, str),
            "answer is a text: that is MMAU's way; AVQA's is the place of the right choice",
        )
        expect(
            isinstance(place, int) and not isinstance(place, bool),
            f"answer should be a whole number, not {place!r}",
        )
        expect(
            not (1 <= place <= 4 and chosen[place - 1] == clip["label"]),
            "answer is one too high: places count from 0",
        )
        expect(
            0 <= place < 4 and chosen[place] == clip["label"],
            f"answer {place} points to another choice than the clip's label",
        )
        expect(line["question_text"] == "Which is last?", "question_text is not the question")
        expect(line["audio_path"] == clip["audio"], "audio_path is not the clip's file")
        places.append((line["id"], place, tuple(chosen)))
    ids = [id for id, _, _ in places]
    expect(len(set(map(str, ids))) == 80, "two clips have the same id: make it of the clip")
    found = Counter(place for _, place, _ in places)
    expect(
        len(found) > 1 or len({order for *_, order in places}) == 1,
        f"the right choice stands in place {places[0][1]} every time: who knows that needs no ears",
    )
    expect(
        len({order for *_, order in places}) > 4,
        "the choices stand in the same order in every line: shuffle them",
    )
    expect(min(found[place] for place in range(4)) >= 6, "some places hardly have the right choice")
    clip = {"audio": "a.flac", "label": "rain", "take": "x"}
    again = [answer(clip, "Which is last?", list(labels), random.Random(7)) for _ in range(6)]
    expect(
        all(line == again[0] for line in again),
        "the order is drawn from somewhere else than rng, so that nobody can make the file again",
    )


@exercise("12.3", passed="you know before you look how much your test can show")
def smallest_win(answer: Callable[[int], Any]) -> None:
    """The least number of questions won, for so many lost, at which McNemar's p is under 0.05."""
    wanted = [_least(lost) for lost in range(9)]
    got = [answer(lost) for lost in range(9)]
    odd = [won for won in got if not isinstance(won, int) or isinstance(won, bool)]
    expect(not odd, f"a whole number of questions is wanted, not {odd[:1]}")
    expect(
        got != [6] * 9,
        "6 are enough where none is lost; but every lost question counts against the won ones",
    )
    back = [lost for lost, won in enumerate(got) if won <= lost]
    expect(
        not back,
        f"{got[max(back, default=0)]!r} won against {max(back, default=0)} lost is no gain: more "
        "have to be won than lost",
    )
    expect(
        got != [lost + 6 for lost in range(9)],
        "a lead of 6 is not always enough: 7 to 1 gives p = 0.07, for more questions differ more "
        "by chance",
    )
    expect(
        got != [won - lost for lost, won in enumerate(wanted)],
        "this is how many more are won than lost; how many are won?",
    )
    expect(
        got != [won + lost for lost, won in enumerate(wanted)],
        "this is how many questions differ, won and lost together; how many of them are won?",
    )
    for lost, (least, won) in enumerate(zip(wanted, got, strict=True)):
        p = scoring.mcnemar_p(won, lost)
        expect(
            not p / 2 < 0.05 <= p,
            f"{won} won, {lost} lost: p is {p:.3f}; half of it is for one side only, and before "
            "the test nobody knew which side would win",
        )
        expect(
            won >= least,
            f"{won} won and {lost} lost give p = {p:.3f}, which is not below 0.05",
        )
        expect(won == least, f"{won} won against {lost} lost are enough, but so are {won - 1}")


def _least(lost: int) -> int:
    won = lost
    while won <= lost or scoring.mcnemar_p(won, lost) >= 0.05:
        won += 1
    return won


#: Solutions that an attack has to be paid for: of this notebook, of the range, of MMAU.
_ASKED = ("rain", "knock", "wood block", "Guitar, 4 notes", "0:09 - 0:11")
_ALL = "alarm knock rain wind"


@exercise("12.4", passed="full pay for every question, unheard; the range had no such attack")
def attack(answer: Callable[[], Any]) -> None:
    """A completion that `by_pattern` pays in full, whatever the question."""
    text = answer()
    expect(isinstance(text, str), f"a completion is a text, not a {type(text).__name__}")
    form = _content(text)
    expect(
        form is not None,
        "it earns 0, for the form is missing: the whole completion is one pair of answer tags",
    )
    try:
        paid = by_pattern([text] * len(_ASKED), list(_ASKED))
    except re.error as fault:
        expect(
            False,
            f"this ends the run with an error ({fault}): rude, but nobody is paid for it",
        )
    won = [gold for gold, reward in zip(_ASKED, paid, strict=True) if reward == 3.0]
    if len(won) == len(_ASKED):
        return
    expect(
        form.lower() not in _ALL.split(),
        f"{form!r} is right only where it is right: that is an answer, not an attack",
    )
    expect(
        won or not all(word in form for word in _ALL.split()),
        "a list of all choices is no choice: the range has this attack, and it was held",
    )
    expect(
        won,
        f"{form!r} earns 1, for its form: which text is taken for equal to any other?",
    )
    expect(
        not ({"rain", "knock"} <= set(won) and "|" in form),
        "this wins by naming these four choices; the next question has others",
    )
    lost = next(gold for gold in _ASKED if gold not in won)
    expect(False, f"it wins for {won[0]!r} and not for {lost!r}: what is in there that it misses?")


def _content(text: str) -> str | None:
    """What stands in the tags, where the form is kept."""
    found = re.fullmatch(r"<answer>((?:(?!</?answer>).)*)</answer>", text.strip(), re.DOTALL)
    return None if found is None else found[1].strip()
