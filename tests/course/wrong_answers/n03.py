"""Wrong answers to the exercises of notebook 03, and what they must be told."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "03.1": [
        ("def clip_name(name):\n    return 30", "as text, not int"),
        ("def clip_name(name):\n    return name.rsplit('_', 1)[0] + '_30'", "needs its ending"),
        ("def clip_name(name):\n    return name + '.wav'", "padding zeros are still there"),
        (
            "def clip_name(name):\n"
            "    stem, second = name.rsplit('_', 1)\n"
            "    return f\"{stem}_{second.strip('0')}.wav\"",
            "000030 became 3",
        ),
        (
            "def clip_name(name):\n"
            "    parts = name.split('_')\n"
            "    return f'{parts[0]}_{int(parts[-1])}.wav'",
            "may hold underscores too",
        ),
        (
            "def clip_name(name):\n"
            "    stem, second = name.rsplit('_', 1)\n"
            "    return f\"{stem}_{second.lstrip('0')}.wav\"",
            "may start at second zero",
        ),
        (
            "def clip_name(name):\n"
            "    stem, second = name.rsplit('_', 1)\n"
            "    return f\"{stem.lstrip('0')}_{int(second)}.wav\"",
            "belong to the video's name stay",
        ),
    ],
    "03.2": [
        ("def faulty_field(line):\n    return 0", "a field's name, or nothing"),
        (
            "def faulty_field(line):\n    return '' if line['answer'] else 'answer'",
            "0 is the first choice",
        ),
        (
            "def faulty_field(line):\n"
            "    bad = line['answer'] + 1 >= len(line['multi_choice'])\n"
            "    return 'answer' if bad else ''",
            "its answer is the last choice",
        ),
        ("def faulty_field(line):\n    return ''", "points behind the last one"),
        (
            "def faulty_field(line):\n"
            "    bad = line['answer'] >= len(line['multi_choice'])\n"
            "    return 'answer' if bad else ''",
            "count it from the end",
        ),
        (
            "def faulty_field(line):\n"
            "    known = [*range(4), *line['multi_choice']]\n"
            "    return '' if line['answer'] in known else 'answer'",
            "a line has its index",
        ),
        (
            "def faulty_field(line):\n"
            "    known = [0, 1, 2, 3]\n"
            "    return '' if line['answer'] in known else 'answer'",
            "leaves nothing to choose",
        ),
        (
            "def faulty_field(line):\n"
            "    if len(line['multi_choice']) < 2: return 'multi_choice'\n"
            "    return '' if line['answer'] in range(4) else 'answer'",
            "a question of blanks",
        ),
        (
            "def faulty_field(line):\n"
            "    if not line['question_text'].strip(): return 'question_text'\n"
            "    if line['answer'] not in range(4): return 'answer'\n"
            "    if len(line['multi_choice']) < 2: return 'multi_choice'\n"
            "    return '' if line.get('audio_path') else 'audio_path'",
            "the first in the order of the task",
        ),
    ],
    "03.3": [
        ("def best_place(questions, task):\n    return 3", "two numbers are wanted"),
        (
            "from collections import Counter\n"
            "def best_place(questions, task):\n"
            "    c = Counter(q.choices.index(q.answer) for q in questions)\n"
            "    place, n = c.most_common(1)[0]\n"
            "    return place + 1, 100 * n / len(questions)",
            "best over all tasks",
        ),
        (
            "from collections import Counter\n"
            "def best_place(questions, task):\n"
            "    own = [q for q in questions if q.task == task]\n"
            "    c = Counter(q.choices.index(q.answer) for q in own)\n"
            "    place, n = c.most_common(1)[0]\n"
            "    return place, 100 * n / len(own)",
            "counting from 0 leads",
        ),
        ("def best_place(questions, task):\n    return 4, 25.0", "not where the gold answer"),
        ("def best_place(questions, task):\n    return 3, 0.75", "0.75 is a share"),
        (
            "from collections import Counter\n"
            "def best_place(questions, task):\n"
            "    own = [q for q in questions if q.task == task]\n"
            "    c = Counter(q.choices.index(q.answer) for q in own)\n"
            "    place, n = c.most_common(1)[0]\n"
            "    return place + 1, 100 * n / len(questions)",
            "are of all questions",
        ),
        ("def best_place(questions, task):\n    return 3, 3", "how many it gets right"),
        (
            "def best_place(questions, task):\n"
            "    own = [q for q in questions if q.task == task]\n"
            "    hits = [sum(q.answer == q.choices[p] for q in own) for p in range(4)]\n"
            "    best = max(range(4), key=lambda p: hits[p])\n"
            "    return best + 1, 100 * hits[best] / len(own)",
            "some questions have a fifth choice",
        ),
    ],
    "03.4": [
        ("def leaks(train, test):\n    return len(train)", "a list of names is wanted"),
        (
            "def leaks(train, test):\n"
            "    return sorted(k for k, v in train.items()\n"
            "                  if any(len(v) == len(w) and (v == w).all()\n"
            "                         for w in test.values()))",
            "these are names of train clips",
        ),
        (
            "def leaks(train, test):\n    return sorted(train.keys() & test.keys())",
            "under another name was not found",
        ),
        (
            "def leaks(train, test):\n"
            "    lengths = {len(v) for v in train.values()}\n"
            "    return sorted(k for k, v in test.items() if len(v) in lengths)",
            "only as long as a train clip",
        ),
        (
            "def leaks(train, test):\n"
            "    return sorted(k for k, v in test.items() if k in train or\n"
            "                  any(len(v) == len(w) and (v == w).all()\n"
            "                      for w in train.values()))",
            "names prove nothing",
        ),
        (
            "def leaks(train, test):\n"
            "    return sorted(k for k, v in test.items()\n"
            "                  if any(len(v) == len(w) and (v == w).all()\n"
            "                         for w in train.values()))",
            "at a lower volume was not found",
        ),
        (
            "def leaks(train, test):\n"
            "    def same(v, w):\n"
            "        if len(v) != len(w): return False\n"
            "        return v @ w > 0.999 * ((v @ v) * (w @ w)) ** 0.5\n"
            "    return [k for k, v in test.items()\n"
            "            if any(same(v, w) for w in train.values())]",
            "sorted by name",
        ),
        (
            "def leaks(train, test):\n"
            "    def same(v, w):\n"
            "        if len(v) != len(w): return False\n"
            "        return v @ w >= 0.999 * ((v @ v) * (w @ w)) ** 0.5\n"
            "    return sorted(k for k, v in test.items()\n"
            "                  if any(same(v, w) for w in train.values()))",
            "silence was called a copy",
        ),
        (
            "def leaks(train, test):\n"
            "    def same(v, w):\n"
            "        n = min(len(v), len(w))\n"
            "        v, w = v[:n], w[:n]\n"
            "        return v @ w > 0.999 * ((v @ v) * (w @ w)) ** 0.5\n"
            "    return sorted(k for k, v in test.items()\n"
            "                  if any(same(v, w) for w in train.values()))",
            "the shape of the whole clip",
        ),
    ],
}
