"""Wrong answers to the exercises of notebook 00, and what each is told."""

_ACCURACY = "def accuracy_percent(said, gold):\n"
_GAIN = "def gain_in_points(table, better, baseline):\n"
_CHANCE = "def chance_percent(numbers_of_choices):\n    n = numbers_of_choices\n"
_ADVANTAGES = "def group_advantages(rewards):\n    n = len(rewards)\n    mean = sum(rewards) / n\n"

WRONG: dict[str, list[tuple[str, str]]] = {
    "00.1": [
        (
            _ACCURACY + "    return sum(s == g for s, g in zip(said, gold))",
            "that is how many are right",
        ),
        (
            _ACCURACY + "    return sum(s == g for s, g in zip(said, gold)) / len(gold)",
            "a share between 0 and 1",
        ),
        (
            _ACCURACY + "    return 100 * sum(s != g for s, g in zip(said, gold)) / len(gold)",
            "the share of the wrong ones",
        ),
        (
            _ACCURACY + "    gold = gold + said\n"
            "    return 100 * sum(s in gold for s in said) / len(said)",
            "'bell' counted as right",
        ),
        (
            _ACCURACY
            + "    return round(100 * sum(s == g for s, g in zip(said, gold)) / len(gold))",
            "do not round before the end",
        ),
        (
            _ACCURACY + "    return 100 * sum(s == g for s, g in zip(said, gold)) / 3",
            "does it divide by the number?",
        ),
        (
            _ACCURACY + "    return [s == g for s, g in zip(said, gold)]",
            "one number is wanted",
        ),
    ],
    "00.2": [
        (_GAIN + "    return table[baseline] - table[better]", "the sign is turned round"),
        (
            _GAIN + "    return 100 * (table[better] - table[baseline]) / table[baseline]",
            "in percent of the baseline",
        ),
        (_GAIN + "    return table[better] / table[baseline]", "how many times as good"),
        (_GAIN + "    return (table[better] - table[baseline]) / 100", "0.1 is a share"),
        (_GAIN + "    return table['grpo'] - table['direct']", "look up the two names"),
        (_GAIN + "    return abs(table[better] - table[baseline])", "keep the sign"),
        (_GAIN + "    return table[better]", "is not 60 points"),
        (_GAIN + "    return better - baseline", "your code raised TypeError"),
    ],
    "00.3": [
        (_ADVANTAGES + "    return [mean - r for r in rewards]", "right answers come out negative"),
        (_ADVANTAGES + "    return [r - max(rewards) for r in rewards]", "the best of the group"),
        (
            _ADVANTAGES + "    return [r / mean if mean else 0 for r in rewards]",
            "the distance from",
        ),
        (_ADVANTAGES + "    return list(rewards)", "these are the rewards themselves"),
        (_ADVANTAGES + "    return [r - 0.5 for r in rewards]", "the mean of that one group"),
        (_ADVANTAGES + "    return max(rewards) - mean", "every answer gets its own"),
        (_ADVANTAGES + "    return [rewards[0] - mean]", "1 advantages for 4 rewards"),
        (
            _ADVANTAGES + "    for i in range(n):\n        rewards[i] -= mean\n    return rewards",
            "must stay as they are",
        ),
    ],
    "00.4": [
        (_CHANCE + "    return 100 / (sum(n) / len(n))", "you averaged the choices first"),
        (_CHANCE + "    return sum(1 / k for k in n) / len(n)", "0.35 is a share"),
        (_CHANCE + "    return 25.0", "right for four choices only"),
        (_CHANCE + "    return 100 * sum(1 / k for k in n)", "the sum of both chances"),
        (_CHANCE + "    return 100 / min(n)", "every question counts"),
        (
            _CHANCE + "    return sum(100 / k for k in set(n)) / len(set(n))",
            "appears three times counts thrice",
        ),
        (_CHANCE + "    return 100 - sum(100 / k for k in n) / len(n)", "is not 65"),
    ],
}
