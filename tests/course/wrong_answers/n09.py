"""Wrong answers to notebook 09's exercises, and what each must be told."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "09.1": [
        (
            "def chosen(validation, test):\n"
            "    place = int(test.mean(axis=1).argmax())\n"
            "    return place, 100 * float(test[place].mean())\n",
            "the test has chosen",
        ),
        (
            "def chosen(validation, test):\n    return 0, 100 * float(test[0].mean())\n",
            "checkpoint 0 is not the best on validation",
        ),
        (
            "def chosen(validation, test):\n"
            "    place = int(validation.mean(axis=1).argmax())\n"
            "    return place, 100 * float(validation[place].mean())\n",
            "where it was chosen",
        ),
        (
            "def chosen(validation, test):\n"
            "    place = int(validation.mean(axis=1).argmax())\n"
            "    return place, 100 * float(test.mean(axis=1).max())\n",
            "100 % is the best of the test",
        ),
        (
            "def chosen(validation, test):\n"
            "    place = int(validation.mean(axis=1).argmax())\n"
            "    return place, float(test[place].mean())\n",
            "0.4 is a share",
        ),
        (
            "def chosen(validation, test):\n"
            "    place = int(validation.mean(axis=1).argmax())\n"
            "    return place, float(test[place].sum())\n",
            "2 is a count",
        ),
        (
            "def chosen(validation, test):\n"
            "    shares = validation.mean(axis=1)\n"
            "    place = len(shares) - 1 - int(shares[::-1].argmax())\n"
            "    return place, 100 * float(test[place].mean())\n",
            "the earliest is taken",
        ),
        (
            "def chosen(validation, test):\n    return int(validation.mean(axis=1).argmax())\n",
            "a pair is wanted",
        ),
    ],
    "09.2": [
        (
            "def verdict(published, correct, n, same_test):\n"
            "    low, high = scoring.wilson_interval(correct, n)\n"
            "    if high < published:\n"
            '        return "below"\n'
            '    return "above" if low > published else "reproduced"\n',
            "on other questions there is no verdict",
        ),
        (
            "def verdict(published, correct, n, same_test):\n"
            "    if not same_test:\n"
            '        return "no verdict"\n'
            "    measured = 100 * correct / n\n"
            "    if measured == published:\n"
            '        return "reproduced"\n'
            '    return "above" if measured > published else "below"\n',
            "equal figures are not wanted",
        ),
        (
            "def verdict(published, correct, n, same_test):\n"
            "    if not same_test:\n"
            '        return "no verdict"\n'
            "    low, high = scoring.wilson_interval(correct, n)\n"
            "    if high < published:\n"
            '        return "above"\n'
            '    return "below" if low > published else "reproduced"\n',
            "say where the measurement lies",
        ),
        (
            "def verdict(published, correct, n, same_test):\n"
            "    if not same_test:\n"
            '        return "no verdict"\n'
            "    gap = 100 * correct / n - published\n"
            "    if abs(gap) <= 5:\n"
            '        return "reproduced"\n'
            '    return "above" if gap > 0 else "below"\n',
            "no fixed margin",
        ),
        (
            "def verdict(published, correct, n, same_test):\n"
            "    if not same_test:\n"
            '        return "no verdict"\n'
            "    share = min(1000, n)\n"
            "    low, high = scoring.wilson_interval(round(correct / n * share), share)\n"
            "    if high < published:\n"
            '        return "below"\n'
            '    return "above" if low > published else "reproduced"\n',
            "not for 1,000",
        ),
        (
            "def verdict(published, correct, n, same_test):\n"
            "    if not same_test:\n"
            '        return "no verdict"\n'
            "    share = correct / n\n"
            "    half = 196 * (share * (1 - share) / n) ** 0.5\n"
            "    if 100 * share + half < published:\n"
            '        return "below"\n'
            '    return "above" if 100 * share - half > published else "reproduced"\n',
            "20 of 20 is no proof",
        ),
        (
            "def verdict(published, correct, n, same_test):\n"
            "    if not same_test:\n"
            '        return "no verdict"\n'
            "    low, high = scoring.wilson_interval(correct, n)\n"
            "    wide = (high - low) / 2\n"
            "    if high + wide < published:\n"
            '        return "below"\n'
            '    return "above" if low - wide > published else "reproduced"\n',
            "a wider margin than the interval's",
        ),
        (
            "def verdict(published, correct, n, same_test):\n"
            "    low, high = scoring.wilson_interval(correct, n)\n"
            "    return same_test and low <= published <= high\n",
            "one of reproduced, above, below",
        ),
    ],
    "09.3": [
        (
            "def interval(a, b, draws):\n"
            "    differences = 100 * (a[draws].mean(axis=1) - b[draws[::-1]].mean(axis=1))\n"
            "    low, high = np.percentile(differences, [2.5, 97.5])\n"
            "    return float(low), float(high)\n",
            "not each road by itself",
        ),
        (
            "def interval(a, b, draws):\n"
            "    differences = 100 * (b[draws].mean(axis=1) - a[draws].mean(axis=1))\n"
            "    low, high = np.percentile(differences, [2.5, 97.5])\n"
            "    return float(low), float(high)\n",
            "the sign is turned round",
        ),
        (
            "def interval(a, b, draws):\n"
            "    differences = a[draws].mean(axis=1) - b[draws].mean(axis=1)\n"
            "    low, high = np.percentile(differences, [2.5, 97.5])\n"
            "    return float(low), float(high)\n",
            "points are wanted",
        ),
        (
            "def interval(a, b, draws):\n"
            "    differences = 100 * (a[draws].mean(axis=1) - b[draws].mean(axis=1))\n"
            "    low, high = np.percentile(differences, [5, 95])\n"
            "    return float(low), float(high)\n",
            "from 5 to 95 lie 90 %",
        ),
        (
            "def interval(a, b, draws):\n"
            "    differences = 100 * (a[draws].mean(axis=1) - b[draws].mean(axis=1))\n"
            "    return float(differences.min()), float(differences.max())\n",
            "the smallest and largest of the draws",
        ),
        (
            "def interval(a, b, draws):\n"
            "    differences = 100 * (a[draws].mean(axis=1) - b[draws].mean(axis=1))\n"
            "    half = 1.96 * differences.std() / len(differences) ** 0.5\n"
            "    return float(differences.mean() - half), float(differences.mean() + half)\n",
            "the draws' mean",
        ),
        (
            "def interval(a, b, draws):\n"
            "    differences = 100 * (a[draws].mean(axis=1) - b[draws].mean(axis=1))\n"
            "    low, high = np.percentile(differences, [97.5, 2.5])\n"
            "    return float(low), float(high)\n",
            "the lower end comes first",
        ),
        (
            "def interval(a, b, draws):\n"
            "    differences = 100 * (a[draws].mean(axis=1) - b[draws].mean(axis=1))\n"
            "    return np.percentile(differences, [2.5, 97.5])\n",
            "a pair is wanted",
        ),
    ],
    "09.4": [
        (
            "def order(questions, answers):\n"
            "    v = [[scoring.string_match(q.answer, answers[c.id], c.choices)\n"
            "          for c in probes.rotations([q])] for q in questions]\n"
            "    n = len(v)\n"
            "    return (sum(x[0] for x in v) / n, sum(sum(x) / len(x) for x in v) / n,\n"
            "            sum(all(x) for x in v) / n)\n",
            "give percent",
        ),
        (
            "def order(questions, answers):\n"
            "    v = [[scoring.string_match(q.answer, answers[c.id], c.choices)\n"
            "          for c in probes.rotations([q])] for q in questions]\n"
            "    return (100 * float(np.mean([x[-1] for x in v])),\n"
            "            100 * float(np.mean([np.mean(x) for x in v])),\n"
            "            100 * float(np.mean([all(x) for x in v])))\n",
            "look at copy 0 alone",
        ),
        (
            "def order(questions, answers):\n"
            "    v = [[scoring.string_match(q.answer, answers[c.id], c.choices)\n"
            "          for c in probes.rotations([q])] for q in questions]\n"
            "    return (100 * float(np.mean([x[0] for x in v])),\n"
            "            100 * sum(map(sum, v)) / sum(map(len, v)),\n"
            "            100 * float(np.mean([all(x) for x in v])))\n",
            "counts twice as much",
        ),
        (
            "def order(questions, answers):\n"
            "    v = [[scoring.string_match(q.answer, answers[c.id], c.choices)\n"
            "          for c in probes.rotations([q])] for q in questions]\n"
            "    return (100 * float(np.mean([x[0] for x in v])),\n"
            "            100 * float(np.mean([np.mean(x) for x in v])),\n"
            "            100 * float(np.mean([any(x) for x in v])))\n",
            "a habit of place reaches it",
        ),
        (
            "def order(questions, answers):\n"
            "    v = [[answers[c.id] == q.answer\n"
            "          for c in probes.rotations([q])] for q in questions]\n"
            "    return (100 * float(np.mean([x[0] for x in v])),\n"
            "            100 * float(np.mean([np.mean(x) for x in v])),\n"
            "            100 * float(np.mean([all(x) for x in v])))\n",
            "judge with scoring.string_match",
        ),
        (
            "def order(questions, answers):\n"
            "    v = [[scoring.string_match(q.answer, answers[c.id], c.choices)\n"
            "          for c in probes.rotations([q])] for q in questions]\n"
            "    given = 100 * float(np.mean([x[0] for x in v]))\n"
            "    return given, given, 100 * float(np.mean([all(x) for x in v]))\n",
            "question 1 has 1, question 2 a quarter",
        ),
        (
            "def order(questions, answers):\n"
            "    v = [[scoring.string_match(q.answer, answers[c.id], c.choices)\n"
            "          for c in probes.rotations([q])] for q in questions]\n"
            "    return 100 * float(np.mean([np.mean(x) for x in v]))\n",
            "three numbers are wanted",
        ),
    ],
}
