"""Wrong answers to notebook 12's exercises, and what each must be told."""


def _split(body: str, draw: str = "random.Random(seed)") -> str:
    return (
        "def split_clips(clips, test, seed):\n"
        f"    rng = {draw}\n"
        "    labels = sorted({c['label'] for c in clips})\n"
        "    held = set()\n"
        "    for label in labels:\n"
        "        takes = sorted({c['take'] for c in clips if c['label'] == label})\n"
        "        held |= set(rng.sample(takes, test))\n"
        "    train = [c for c in clips if c['take'] not in held]\n"
        "    kept = [c for c in clips if c['take'] in held]\n"
        f"{body}"
    )


_RETURN = "    return train, kept\n"

_LINE = """\
def avqa_line(clip, question, labels, rng):
    choices = rng.sample(labels, len(labels))
    return {
        "id": clip["audio"],
        "question_text": question,
        "multi_choice": choices,
        "answer": choices.index(clip["label"]),
        "dataset_name": "mine",
        "audio_path": clip["audio"],
    }
"""


def _line(old: str, new: str) -> str:
    assert old in _LINE
    return _LINE.replace(old, new)


_DRAW = "choices = rng.sample(labels, len(labels))"
_INDEX = 'choices.index(clip["label"])'


def _win(body: str) -> str:
    return (
        "def smallest_win(lost):\n"
        "    won = lost + 1\n"
        "    while scoring.mcnemar_p(won, lost) >= 0.05:\n"
        "        won += 1\n"
        f"    {body}\n"
    )


def _attack(text: str) -> str:
    return f"def attack():\n    return {text!r}\n"


WRONG: dict[str, list[tuple[str, str]]] = {
    "12.1": [
        (
            "def split_clips(clips, test, seed):\n"
            "    mixed = list(clips)\n"
            "    random.Random(seed).shuffle(mixed)\n"
            "    return mixed[3 * test:], mixed[:3 * test]\n",
            "has clips on both sides",
        ),
        (
            "def split_clips(clips, test, seed):\n"
            "    takes = sorted({c['take'] for c in clips})\n"
            "    held = set(takes[:3 * test])\n"
            "    return ([c for c in clips if c['take'] not in held],\n"
            "            [c for c in clips if c['take'] in held])\n",
            "the test has no clip of 'c'",
        ),
        (_split(_RETURN, "random.Random(0)"), "every seed gives the same split"),
        (_split(_RETURN, "random.Random()"), "the same seed should give the same split"),
        (_split(_RETURN, "(random.seed(seed), random)[1]"), "draws everybody shares"),
        (_split("    return kept, train\n"), "are exchanged"),
        (
            _split("    return train, kept[: len(kept) // 2]\n"),
            "are on neither side",
        ),
        (_split("    return train, kept + kept\n"), "a clip is there twice"),
        (_split("    return train + kept\n"), "two lists of clips are wanted"),
        (
            _split(_RETURN).replace("rng.sample(takes, test)", "rng.sample(takes, 1)"),
            "it is takes that are counted",
        ),
        (_split("    clips.clear()\n" + _RETURN), "the list that came in was changed"),
        (
            _split("    return [c['audio'] for c in train], [c['audio'] for c in kept]\n"),
            "put the clips themselves",
        ),
    ],
    "12.2": [
        (_line(_INDEX, 'clip["label"]'), "that is MMAU's way"),
        (_line(_INDEX, _INDEX + " + 1"), "one too high"),
        (_line(_DRAW, "choices = list(labels)"), "the same order in every line"),
        (
            _line(_DRAW, 'choices = [clip["label"]] + [x for x in labels if x != clip["label"]]'),
            "stands in place 0 every time",
        ),
        (_line(_DRAW, "rng.shuffle(labels)\n    choices = labels"), "shuffled in place"),
        (_line(_DRAW, "choices = random.sample(labels, 4)"), "from somewhere else than rng"),
        (_line('"id": clip["audio"]', '"id": clip["label"]'), "two clips have the same id"),
        (_line('        "dataset_name": "mine",\n', ""), "field dataset_name is missing"),
        (_line(_DRAW, "choices = rng.sample(labels, 3)").replace(_INDEX, "0"), "each label once"),
        (_line(_INDEX, 'labels.index(clip["label"])'), "points to another choice"),
    ],
    "12.3": [
        ("def smallest_win(lost):\n    return 6\n", "6 are enough where none is lost"),
        ("def smallest_win(lost):\n    return lost + 6\n", "a lead of 6 is not always enough"),
        (_win("return won - lost"), "how many more are won than lost"),
        (_win("return won + lost"), "won and lost together"),
        (
            _win("return won").replace(
                "mcnemar_p(won, lost) >= 0.05", "mcnemar_p(won, lost) >= .1"
            ),
            "half of it is for one side only",
        ),
        (_win("return won").replace("won = lost + 1", "won = 0"), "is no gain"),
        (_win("return won + 1"), "are enough, but so are"),
        (_win("return scoring.mcnemar_p(won, lost)"), "a whole number of questions"),
    ],
    "12.4": [
        (_attack(".*"), "the form is missing"),
        (_attack("<answer>rain</answer>"), "that is an answer, not an attack"),
        (
            _attack("<answer>alarm, knock, rain, wind</answer>"),
            "a list of all choices is no choice",
        ),
        (_attack("<answer>.</answer>"), "taken for equal to any other"),
        (_attack("<answer>alarm|knock|rain|wind</answer>"), "the next question has"),
        (_attack("<answer>\\w+</answer>"), "it wins for 'rain' and not for 'wood block'"),
        (_attack("<answer>(</answer>"), "ends the run with an error"),
        ("def attack():\n    return ['<answer>.*</answer>']\n", "a completion is a text"),
    ],
}
