"""Wrong answers to notebook 11's exercises, and what each must be told."""

_SUSPECTS = "def suspects(alone, batched, tolerance=1e-3):\n    "
_MASK = "def masked_softmax(scores, mask):\n    "
_RIGHT = {
    "A": "cold sampling",
    "B": "healthy",
    "C": "gold in tags",
    "D": "no rate",
    "E": "rate too high",
    "F": "deaf",
}


def _said(**other: str) -> str:
    return f"def diagnoses():\n    return { ({**_RIGHT, **other})!r}\n"


def _swapped(a: str, b: str) -> str:
    return _said(**{a: _RIGHT[b], b: _RIGHT[a]})


_JOURNAL = """def left_to_ask(lines, run, ids):
    if not lines:
        return list(ids)
    header = json.loads(lines[0])
    {check}
    done = set()
    for place, line in enumerate(lines[1:], start=1):
        {read}
    return {found}
"""
_CHECK = (
    "for key in [*run, *header]:\n"
    "        if key not in run or key not in header or run[key] != header[key]:\n"
    "            raise ValueError(f'{key} differs')"
)
_READ = (
    "try:\n"
    "            done.add(json.loads(line)['id'])\n"
    "        except json.JSONDecodeError:\n"
    "            if place < len(lines) - 1:\n"
    "                raise"
)


def _journal(
    check: str = _CHECK, read: str = _READ, found: str = "[i for i in ids if i not in done]"
) -> str:
    return _JOURNAL.format(check=check, read=read, found=found)


WRONG: dict[str, list[tuple[str, str]]] = {
    "11.1": [
        (
            _SUSPECTS + "return (batched - alone > tolerance).nonzero().flatten().tolist()\n",
            "in one direction only",
        ),
        (
            _SUSPECTS + "far = (alone - batched).abs() > tolerance\n"
            "    return far.nonzero().flatten().tolist()\n",
            "not a number passed as agreeing",
        ),
        (
            _SUSPECTS + "return (alone != batched).nonzero().flatten().tolist()\n",
            "a millionth counts",
        ),
        (
            _SUSPECTS + "return bool(((alone - batched).abs() > tolerance).any())\n",
            "which rows, not whether any",
        ),
        (
            _SUSPECTS + "return (~((alone - batched).abs() <= tolerance)).tolist()\n",
            "one truth value per row",
        ),
        (
            _SUSPECTS + "near = (alone - batched).abs() <= tolerance\n"
            "    return near.nonzero().flatten().tolist()\n",
            "rows that agree",
        ),
        (
            _SUSPECTS + "near = (alone - batched).abs() <= 1e-3\n"
            "    return (~near).nonzero().flatten().tolist()\n",
            "does not use the argument",
        ),
        (
            _SUSPECTS + "if abs((alone - batched).sum()) <= tolerance:\n"
            "        return []\n"
            "    near = (alone - batched).abs() <= tolerance\n"
            "    return (~near).nonzero().flatten().tolist()\n",
            "cancel",
        ),
    ],
    "11.2": [
        (
            _MASK + "return scores.masked_fill(~mask, float('-inf')).softmax(-1)\n",
            "an empty row still makes NaN",
        ),
        (
            _MASK + "return scores.masked_fill(~mask, -1e9).softmax(-1)\n",
            "in float16 the number that you fill in does not exist",
        ),
        (
            _MASK + "return scores.masked_fill(~mask, -1e4).softmax(-1)\n",
            "an empty row has weights",
        ),
        (
            _MASK + "weights = scores.masked_fill(~mask, float('-inf')).softmax(-1)\n"
            "    return weights.nan_to_num(0.0)\n",
            "a NaN that came in",
        ),
        (_MASK + "return scores.softmax(-1) * mask\n", "do not add up to 1"),
        (_MASK + "return scores.softmax(-1)\n", "the mask was not applied"),
        (
            _MASK + "lowest = torch.finfo(scores.dtype).min\n"
            "    weights = scores.masked_fill(~mask, lowest).softmax(0)\n"
            "    return weights.masked_fill(~mask, 0.0)\n",
            "over the last axis",
        ),
        (
            _MASK + "lowest = torch.finfo(torch.float32).min\n"
            "    weights = scores.float().masked_fill(~mask, lowest).softmax(-1)\n"
            "    return weights.masked_fill(~mask, 0.0)\n",
            "float16 came in",
        ),
    ],
    "11.3": [
        (_swapped("A", "D"), "run D: its KL"),
        (_swapped("A", "F"), "run A: look at its dead groups"),
        (_swapped("E", "B"), "run E: its KL is high"),
        (_swapped("C", "F"), "run C: read right and form"),
        (_swapped("B", "F"), "run F: the form is learnt"),
        (_said(B="cold sampling"), "run B: right and form both rise"),
        (_said(B="fine"), "fine: is none of"),
        ("def diagnoses():\n    return {'A': 'cold sampling'}\n", "no verdict on B, C"),
        ("def diagnoses():\n    return ['healthy'] * 6\n", "a dictionary is wanted"),
    ],
    "11.4": [
        (
            "def left_to_ask(lines, run, ids):\n"
            "    done = {json.loads(line)['id'] for line in lines[1:]}\n"
            "    return [i for i in ids if i not in done]\n",
            "a journal for prompt 1 was taken",
        ),
        (_journal(read="done.add(json.loads(line)['id'])"), "a torn last line stops the run"),
        (
            _journal(
                read="try:\n            done.add(json.loads(line)['id'])\n"
                "        except json.JSONDecodeError:\n            pass"
            ),
            "in the middle was skipped",
        ),
        (
            _journal(check="if header != run:\n        raise ValueError('another run')"),
            "does not name the setting",
        ),
        (
            _journal(
                check="for key in run:\n        if key in header and run[key] != header[key]:\n"
                "            raise ValueError(f'{key} differs')"
            ),
            "too few or too many",
        ),
        (_journal(found="list(set(ids) - done)[::-1] and sorted(set(ids) - done)"), "the order"),
        (_journal(found="[i for i in ids if i in done]"), "ids that were asked"),
        (
            _journal().replace("    if not lines:\n        return list(ids)\n", ""),
            "raises IndexError",
        ),
        (
            _journal(
                read="name = line.split('\"')[3]\n        done.add(name)",
            ),
            "counted as done",
        ),
    ],
}
