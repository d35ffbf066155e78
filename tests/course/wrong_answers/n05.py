"""Wrong answers to notebook 05's exercises, and what each must be told."""

_ACCURACY = """
def my_accuracy(completions, solution, **columns):
    rewards = []
    for text, gold in zip(completions, solution):
        found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
        said = found.group(1) if found else text
        rewards.append(float(said.strip() == gold.strip()))
    return rewards
"""

_FORM = """
def my_form(completions, **columns):
    inner = r"(?:(?!</?(?:think|answer)>).)*"
    form = rf"<think>{inner}</think>\\s*<answer>{inner}</answer>"
    pattern = re.compile(form, re.DOTALL)
    return [float(bool(pattern.fullmatch(text))) for text in completions]
"""

_WEIGH = """
def weigh(terms):
    def weighted_sum(completions, **columns):
        total = [0.0] * len(completions)
        for weight, reward in terms:
            paid = reward(completions=completions, **columns)
            total = [t + weight * p for t, p in zip(total, paid)]
        return total
    return weighted_sum
"""

_FAIR = """
def fair_reward(completions, solution, choices, **columns):
    form = re.compile(r"<answer>([^<>]*)</answer>")
    rewards = []
    for text, gold in zip(completions, solution):
        found = form.fullmatch(text.strip())
        said = found.group(1).strip().lower().rstrip(".") if found else ""
        rewards.append(float(said == gold.strip().lower()))
    return rewards
"""


def _but(source: str, *changes: tuple[str, str]) -> str:
    """``source`` with each first text replaced by the second; it must be there."""
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return source


WRONG: dict[str, list[tuple[str, str]]] = {
    "05.1": [
        (_but(_ACCURACY, (", **columns", "")), "TRL hands over every column"),
        (_but(_ACCURACY, ("return rewards", "return sum(rewards)")), "a list is wanted"),
        (_but(_ACCURACY, ("return rewards", "return [sum(rewards)]")), "each completion is paid"),
        (
            _but(_ACCURACY, ("found.group(1) if found else text", "text")),
            "compare what stands between the tags",
        ),
        (_but(_ACCURACY, (", re.DOTALL", "")), "a dot stops at a line's end"),
        (_but(_ACCURACY, ("gold.strip()", "gold")), "white space around the answer"),
        (_but(_ACCURACY, ("else text", 'else ""')), "a bare right text earns nothing"),
        (_but(_ACCURACY, (".*?", ".*")), "the first one counts"),
        (
            _but(_ACCURACY, ("said.strip() == gold.strip()", "gold.strip() in said")),
            "a text that holds the solution",
        ),
        (
            _but(_ACCURACY, ("said.strip() == gold.strip()", "said.strip() in gold.strip()")),
            "a piece of the solution",
        ),
        (
            _but(
                _ACCURACY,
                ("said.strip() == gold.strip()", "said.strip().lower() == gold.strip().lower()"),
            ),
            "'Rain' is taken for 'rain'",
        ),
    ],
    "05.2": [
        (
            _but(_FORM, ("return [float", "return {float"), ("completions]", "completions}")),
            "a list is wanted",
        ),
        (
            _but(_FORM, ("fullmatch", "search"), ("<think>{inner}</think>\\s*", "")),
            "words before or after the form",
        ),
        (_but(_FORM, (", re.DOTALL", "")), "a dot stops at a line's end"),
        (_but(_FORM, ("\\s*", "")), "white space between the thought and the answer"),
        (
            _but(_FORM, ("<think>{inner}</think>\\s*", "(?:<think>{inner}</think>)?\\s*")),
            "an answer without a thought",
        ),
        (_but(_FORM, ('r"(?:(?!</?(?:think|answer)>).)*"', 'r".*?"')), "pass as one form"),
        (
            _but(_FORM, ('r"(?:(?!</?(?:think|answer)>).)*"', 'r"(?:(?!</).)*"')),
            "tags inside a pair of tags pass",
        ),
        (
            "def my_form(completions, **columns):\n"
            "    tags = ('<think>', '</think>', '<answer>', '</answer>')\n"
            "    return [float(all(text.count(tag) == 1 for tag in tags)\n"
            "            and text[0] == '<' and text[-1] == '>') for text in completions]\n",
            "the thought has to come before the answer",
        ),
        (_but(_FORM, ("<think>{inner}</think>\\s*", "")), "the form itself"),
    ],
    "05.3": [
        (
            "def weigh(terms):\n    return [weight for weight, reward in terms]\n",
            "a function is wanted",
        ),
        (
            _but(_WEIGH, (", **columns)\n            total", ")\n            total")),
            "hand every column on",
        ),
        (_but(_WEIGH, ("weight * p", "p")), "the weights are not used"),
        (_but(_WEIGH, ("return total", "return [t / len(terms) for t in total]")), "a mean"),
        (
            _but(_WEIGH, ("return total", "return [t / sum(w for w, r in terms) for t in total]")),
            "made to add up to 1",
        ),
        (_but(_WEIGH, ("weight * p", "abs(weight) * p")), "a weight below 0"),
        (_but(_WEIGH, ("weighted_sum", "f")), "TRL logs a reward by its __name__"),
        (_but(_WEIGH, ("return total", "return [sum(total)]")), "each completion is paid alone"),
        (_but(_WEIGH, ("t + weight * p", "max(t, weight * p)")), "2 x right + 0.5 x brief"),
    ],
    "05.4": [
        (
            "def fair_reward(completions, solution, choices, **columns):\n"
            "    return format_reward(2)(completions)\n",
            "a wrong answer in good form",
        ),
        (
            "def fair_reward(completions, solution, choices, **columns):\n"
            "    return [float(g in t) for t, g in zip(completions, solution)]\n",
            "'all choices listed'",
        ),
        (
            "def fair_reward(completions, solution, choices, **columns):\n"
            "    return only_if(format_reward(2), match_reward)(\n"
            "        completions, solution=solution, choices=choices)\n",
            "'negation'",
        ),
        (
            "def fair_reward(completions, solution, choices, **columns):\n"
            "    return accuracy_reward(completions, solution)\n",
            "'no tags'",
        ),
        (
            _but(
                _FAIR,
                ("[^<>]*", ".*?"),
                ("said == gold.strip().lower()", "said.split('<')[0] == gold.strip().lower()"),
            ),
            "'an answer for every choice'",
        ),
        (_but(_FAIR, ("fullmatch", "search")), "'nested tags'"),
        (
            _but(
                _FAIR,
                ("fullmatch(text.strip())", "search(text)"),
                ("if found else", "if found and text.count('<answer>') == 1 else"),
            ),
            "'words around the form'",
        ),
        (_but(_FAIR, ("([^<>]*)", "([a-z .A-Z]*)")), "'on lines of its own'"),
        (_but(_FAIR, ('.rstrip(".")', "")), "'full stop'"),
        (
            _but(_FAIR, (".lower().rstrip", ".rstrip"), ("gold.strip().lower()", "gold.strip()")),
            "'capital letter'",
        ),
        (
            _but(
                _FAIR,
                ("said == gold.strip().lower()", "said != '' and gold.lower().startswith(said)"),
            ),
            "'part of a choice'",
        ),
    ],
}
