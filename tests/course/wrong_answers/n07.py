"""Wrong answers to notebook 07's exercises, and what each must be told."""

_GATHER = (
    "def step_curves(rollouts):\n"
    "    groups = {}\n"
    "    for row in rollouts:\n"
    "        groups.setdefault(row['step'], []).append(row['rewards'])\n"
    "    groups = dict(sorted(groups.items()))\n"
)


def _curves(mean: str, dead: str, order: str = "(mean, dead)") -> str:
    return (
        f"{_GATHER}"
        "    found = {}\n"
        "    for step, some in groups.items():\n"
        "        paid = [r for group in some for r in group]\n"
        f"        mean = {mean}\n"
        f"        dead = {dead}\n"
        f"        found[step] = {order}\n"
        "    return found\n"
    )


_MEAN = "sum(paid) / len(paid)"
_DEAD = "sum(len(set(g)) == 1 for g in some) / len(some)"


def _choice(error: str, pick: str = "min(s for s in right if right[s] / n >= p - error)") -> str:
    return (
        "def choose_checkpoint(right, n):\n"
        "    p = max(right.values()) / n\n"
        f"    error = {error}\n"
        f"    return {pick}\n"
    )


_ERROR = "(p * (1 - p) / n) ** 0.5"


def _repeat(features: str, masks: str) -> str:
    return (
        "def repeat_for_groups(features, masks, size):\n"
        f"    return features.{features}, masks.{masks}\n"
    )


def _completion(*lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"def completion(generate, prompt, limit):\n{body}"


_REFUSE = (
    "if prompt.shape[1] > limit:",
    "    raise ValueError(f'{prompt.shape[1]} tokens, {limit} are allowed')",
)

WRONG: dict[str, list[tuple[str, str]]] = {
    "07.1": [
        (_curves("sum(paid)", _DEAD), "sums of rewards"),
        (_curves("sum(paid) / len(some)", _DEAD), "added up within each group"),
        (_curves(_MEAN, "sum(len(set(g)) == 1 for g in some)"), "these are counts"),
        (_curves(_MEAN, "100 * " + _DEAD), "these are percent"),
        (_curves(_MEAN, "sum(not any(g) for g in some) / len(some)"), "all 2 is dead as well"),
        (
            _curves(_MEAN, "sum(min(g) == 2 for g in some) / len(some)"),
            "teaches as little as all 2",
        ),
        (
            _curves(_MEAN, "sum(len(set(g)) > 1 for g in some) / len(some)"),
            "groups that are alive",
        ),
        (_curves(_MEAN, _DEAD, "(dead, mean)"), "exchanged"),
        (_curves(_MEAN, _DEAD, "mean"), "each step has two numbers"),
        (
            _curves(_MEAN, _DEAD).replace("dict(sorted(groups.items()))", "groups"),
            "come in their order",
        ),
        (_curves(_MEAN, _DEAD).replace("return found", "return list(found)"), "a dict from step"),
    ],
    "07.2": [
        (
            "def choose_checkpoint(right, n):\n    return max(right, key=right.get)\n",
            "highest score",
        ),
        ("def choose_checkpoint(right, n):\n    return max(right)\n", "merely the last"),
        (_choice("100 * " + _ERROR), "the error is a share like p"),
        (_choice("2 * " + _ERROR), "more than one standard error below"),
        (
            _choice(_ERROR, "sorted(s for s in right if right[s] / n >= p - error)[1]"),
            "an earlier one does, too",
        ),
        (
            _choice(_ERROR, "next(s for s in right if right[s] / n >= p - error)"),
            "took the first that it met",
        ),
        (_choice("0.0206"), "does not follow n"),
        (_choice(_ERROR, "max(right.values())"), "one of the steps is wanted"),
    ],
    "07.3": [
        (_repeat("repeat(size, 1)", "repeat_interleave(size, dim=0)"), "the published line"),
        (_repeat("repeat_interleave(size, dim=0)", "repeat(size, 1)"), "masks are out of step"),
        (_repeat("repeat(size, 1)", "repeat(size, 1)"), "but not with the answers"),
        (
            _repeat("repeat_interleave(size, dim=1)", "repeat_interleave(size, dim=0)"),
            "features: three rows",
        ),
        (_repeat("repeat_interleave(size, dim=0)", "repeat(1, size)"), "masks: three rows"),
        (
            "def repeat_for_groups(features, masks, size):\n"
            "    return features.repeat_interleave(size, dim=0)\n",
            "two tensors are wanted",
        ),
        (
            _repeat("flip(0).repeat_interleave(size, dim=0)", "repeat_interleave(size, dim=0)"),
            "the features' rows are not those",
        ),
    ],
    "07.4": [
        (_completion("whole = generate(prompt)", "return whole[:, limit:]"), "lost its beginning"),
        (
            _completion(
                "short = prompt[:, -limit:]",
                "whole = generate(prompt)",
                "return whole[:, short.shape[1]:]",
            ),
            "the published way",
        ),
        (
            _completion(
                "short = prompt[:, -limit:]",
                "whole = generate(short)",
                "return whole[:, short.shape[1]:]",
            ),
            "cut before generating",
        ),
        (
            _completion("return generate(prompt)[:, prompt.shape[1]:]"),
            "has to be an error",
        ),
        (
            _completion(*_REFUSE, "return generate(prompt)"),
            "came back together",
        ),
        (
            _completion(
                "if prompt.shape[1] >= limit:",
                "    raise ValueError(f'{prompt.shape[1]} tokens, {limit} are allowed')",
                "return generate(prompt)[:, prompt.shape[1]:]",
            ),
            "exactly 4 tokens fits",
        ),
        (
            _completion(
                "if prompt.shape[1] > limit:",
                "    raise ValueError('too long')",
                "return generate(prompt)[:, prompt.shape[1]:]",
            ),
            "say both numbers",
        ),
        (
            _completion("whole = generate(prompt)", *_REFUSE, "return whole[:, prompt.shape[1]:]"),
            "refuse before generating",
        ),
    ],
}
