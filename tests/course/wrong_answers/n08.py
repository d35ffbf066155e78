"""Wrong answers to notebook 08's exercises, and what each must be told."""

_SEARCH = (
    "def search_rate(runs):\n"
    "    best = max(runs, key=lambda run: (run['{field}'], {tie}run['rate']))\n"
    "    rates = [run['rate'] for run in runs]\n"
    "    if best['rate'] == max(rates):\n"
    "        return best['rate'], {above}\n"
    "    if best['rate'] == min(rates):\n"
    "        return best['rate'], {below}\n"
    "    return best['rate'], None\n"
)
_RIGHT = {
    "field": "validation",
    "tie": "-",
    "above": "3 * best['rate']",
    "below": "best['rate'] / 3",
}

_LUCK = (
    "def two_lucks(signs, by_seed, by_question):\n"
    "    means = np.array([{mean} for s, q in zip(by_seed, by_question)])\n"
    "    low, high = np.percentile({scaled}, {at})\n"
    "    return float(low), float(high)\n"
)
_BOTH = {"mean": "signs[np.ix_(s, q)].mean()", "scaled": "100 * means", "at": "[2.5, 97.5]"}

_CLAIM = (
    "def claim(low, high, p, seeds, margin):\n"
    "    if {one}:\n"
    "        return 'one training each'\n"
    "    if {ahead}:\n"
    "        return 'ahead'\n"
    "    if {behind}:\n"
    "        return 'behind'\n"
    "    if {within}:\n"
    "        return 'within the margin'\n"
    "    return 'not told apart'\n"
)
_FAIR = {
    "one": "seeds < 2",
    "ahead": "p < 0.05 and low > 0",
    "behind": "p < 0.05 and high < 0",
    "within": "-margin < low and high < margin",
}

_PUSH = (
    "def two_pushes(policy, label):\n"
    "    hot = torch.eye(len(policy))[label]\n"
    "    return {sft}, {reward}\n"
)

WRONG: dict[str, list[tuple[str, str]]] = {
    "08.1": [
        (
            _PUSH.format(sft="policy - hot", reward="policy[label] * (policy - hot)"),
            "the signs are turned round",
        ),
        (
            _PUSH.format(sft="hot", reward="policy[label] * hot"),
            "SFT's push adds up to zero",
        ),
        (
            _PUSH.format(sft="policy[label] * (hot - policy)", reward="hot - policy"),
            "the two are exchanged",
        ),
        (_PUSH.format(sft="hot - policy", reward="hot - policy"), "how often is it drawn"),
        (
            _PUSH.format(sft="hot - policy", reward="policy * (hot - policy)"),
            "with its own probability",
        ),
        (
            _PUSH.format(sft="hot - policy", reward="(1 - policy[label]) * (hot - policy)"),
            "all other draws earn 0",
        ),
        (
            _PUSH.format(sft="(hot - policy)[label]", reward="policy[label]"),
            "an entry for each of the four choices",
        ),
        ("def two_pushes(policy, label):\n    return 1.0\n", "a pair is wanted"),
    ],
    "08.2": [
        (_SEARCH.format(**{**_RIGHT, "field": "test"}), "the test has chosen"),
        (
            "def search_rate(runs):\n    return max(run['validation'] for run in runs), None\n",
            "not its number of right answers",
        ),
        (
            "def search_rate(runs):\n    return runs[0]['rate'], None\n",
            "1e-4 has the most right on validation",
        ),
        (
            "def search_rate(runs):\n"
            "    best = max(runs, key=lambda run: run['validation'])['rate']\n"
            "    return best, 3 * best\n",
            "neighbours on both sides that are worse",
        ),
        (
            _SEARCH.format(**{**_RIGHT, "above": "None", "below": "None"}),
            "a better one may lie beyond it",
        ),
        (
            _SEARCH.format(**{**_RIGHT, "above": "best['rate'] + 1e-4"}),
            "three times as large",
        ),
        (
            _SEARCH.format(**{**_RIGHT, "below": "3 * best['rate']"}),
            "a third of it",
        ),
        (_SEARCH.format(**{**_RIGHT, "tie": ""}), "of equals on validation the smallest"),
        (
            "def search_rate(runs):\n"
            "    return max(runs, key=lambda run: run['validation'])['rate']\n",
            "a pair is wanted",
        ),
    ],
    "08.3": [
        (
            _LUCK.format(**{**_BOTH, "mean": "signs[:, q].mean()"}),
            "only questions were drawn",
        ),
        (_LUCK.format(**{**_BOTH, "mean": "signs[s].mean()"}), "only seeds were drawn"),
        (_LUCK.format(**{**_BOTH, "at": "[5, 95]"}), "95 % leave 2.5 at either end"),
        (_LUCK.format(**{**_BOTH, "scaled": "-100 * means"}), "the sign is turned round"),
        (_LUCK.format(**{**_BOTH, "scaled": "means"}), "points are wanted"),
        (_LUCK.format(**{**_BOTH, "at": "[97.5, 2.5]"}), "the lower end comes first"),
        (
            "def two_lucks(signs, by_seed, by_question):\n"
            "    means = np.array([signs[np.ix_(s, q)].mean()\n"
            "                      for s, q in zip(by_seed, by_question)])\n"
            "    half = 196 * means.std() / len(means) ** 0.5\n"
            "    return 100 * means.mean() - half, 100 * means.mean() + half\n",
            "the interval of the draws' mean",
        ),
        (
            _LUCK.format(**{**_BOTH, "mean": "signs[s[np.arange(len(q)) % len(s)], q].mean()"}),
            "the block where they cross",
        ),
    ],
    "08.4": [
        (_CLAIM.format(**{**_FAIR, "one": "False"}), "not about two methods"),
        (_CLAIM.format(**{**_FAIR, "ahead": "low > 0"}), "knows nothing of the other looks"),
        (
            _CLAIM.format(**{**_FAIR, "ahead": "p < 0.05", "behind": "False"}),
            "look at the side of zero",
        ),
        (_CLAIM.format(**{**_FAIR, "within": "False"}), "more than 'not told apart'"),
        (
            _CLAIM.format(**{**_FAIR, "within": "p > 0.05"}),
            "no difference found is not the same as no difference",
        ),
        (
            _CLAIM.format(**{**_FAIR, "within": "abs(low + high) / 2 < margin and low > -margin"}),
            "not only one of them or the middle",
        ),
        (
            _CLAIM.format(**{**_FAIR, "within": "-2 < low and high < 2"}),
            "the margin is an argument",
        ),
        (
            _CLAIM.format(**{**_FAIR, "ahead": "p < 0.05 and high > margin and low > 0"}),
            "small and certain is ahead first",
        ),
        ("def claim(low, high, p, seeds, margin):\n    return p < 0.05\n", "one of one training"),
    ],
}
