"""Wrong answers to the exercises of notebook 01, and what each must be told."""

_MESSAGES = """
def messages_with_clips(text: str, clips: int) -> list[dict]:
    parts = [{{"type": "audio"}} for _ in range(clips)]
    words = {{"type": "text", "text": text}}
    {rest}
"""

_TOKENS = """
def audio_tokens(samples: int, window: float) -> int:
    {rest}
"""

_PENALISE = """
def penalise(logits, seen, penalty):
    {rest}
"""

_PAD = """
def left_pad(rows, pad_id):
    longest = max(len(row) for row in rows)
    gaps = [longest - len(row) for row in rows]
    ids = [[pad_id] * g + list(r) for g, r in zip(gaps, rows)]
    mask = [[0] * g + [1] * len(r) for g, r in zip(gaps, rows)]
    {rest}
"""

_CHANGE = """
def listening_change(heard, silent):
    changes = torch.cat(list(heard)) - torch.cat(list(silent))
    {rest}
"""

WRONG: dict[str, list[tuple[str, str]]] = {
    "01.1": [
        (
            _MESSAGES.format(rest='return {"role": "user", "content": parts + [words]}'),
            "takes a list of messages",
        ),
        (
            _MESSAGES.format(rest='return [{"role": "user", "content": [p]} for p in parts]'),
            "one turn is wanted",
        ),
        (
            _MESSAGES.format(rest='return [{"role": "assistant", "content": parts + [words]}]'),
            "it is the user who",
        ),
        (
            _MESSAGES.format(rest='return [{"role": "user", "content": text}]'),
            "has no place for a clip",
        ),
        (
            _MESSAGES.format(
                rest='return [{"role": "user", "content": [{"type": "audio"}, words]}]'
            ),
            "two clips are asked for, 1 have a place",
        ),
        (
            _MESSAGES.format(rest='return [{"role": "user", "content": [words] + parts}]'),
            "the clips come before the text",
        ),
        (
            _MESSAGES.format(
                rest='return [{"role": "user", "content": parts + [{"type": "text"}]}]'
            ),
            'under the key "text"',
        ),
    ],
    "01.2": [
        (_TOKENS.format(rest="return min(samples, window * 16_000) / 640"), "whole numbers"),
        (_TOKENS.format(rest="return -(-samples // 160)"), "halves them twice"),
        (_TOKENS.format(rest="return -(-samples // 160) // 2"), "one halving is missing"),
        (_TOKENS.format(rest="return samples // 16_000"), "a second gives 25 tokens"),
        (
            _TOKENS.format(rest="return -(-(-(-samples // 160)) // 2) // 2"),
            "is cut first",
        ),
        (
            _TOKENS.format(
                rest="s = min(samples, 64_000)\n    return -(-(-(-s // 160)) // 2) // 2"
            ),
            "the window is an argument",
        ),
        (
            _TOKENS.format(
                rest="s = min(samples, round(window * 16_000))\n    return -(-s // 160) // 2 // 2"
            ),
            "the first halving rounds up",
        ),
        (
            _TOKENS.format(
                rest="s = min(samples, round(window * 16_000))\n    return -(-(s // 160) // 2) // 2"
            ),
            "an incomplete column counts",
        ),
        (
            _TOKENS.format(
                rest="s = min(samples, round(window * 16_000))\n"
                "    c = -(-s // 160)\n"
                "    return -(-(-(-c // 2)) // 2)"
            ),
            "the second halving rounds down",
        ),
    ],
    "01.3": [
        (_PENALISE.format(rest="return logits[seen] / penalty"), "one logit per word"),
        (
            _PENALISE.format(rest="logits[seen] = logits[seen] / penalty\n    return logits"),
            "the caller's logits have changed",
        ),
        (_PENALISE.format(rest="return logits / penalty"), "tokens that were not seen"),
        (
            _PENALISE.format(
                rest="new = logits.clone()\n    new[seen] = new[seen] * penalty\n    return new"
            ),
            "has not become less likely",
        ),
        (
            _PENALISE.format(
                rest="new = logits.clone()\n    new[seen] = new[seen] - penalty\n    return new"
            ),
            "a positive logit is divided",
        ),
        (
            _PENALISE.format(
                rest="new = logits.clone()\n    new[seen] = new[seen] / penalty\n    return new"
            ),
            "nearer to zero",
        ),
        (
            _PENALISE.format(
                rest="new = logits.clone()\n"
                "    for t in seen.tolist():\n"
                "        new[t] = new[t] / penalty if new[t] > 0 else new[t] * penalty\n"
                "    return new"
            ),
            "not once per occurrence",
        ),
    ],
    "01.4": [
        (_PAD.format(rest="return torch.tensor(ids)"), "two things are wanted"),
        (_PAD.format(rest="return ids, mask"), "as tensors"),
        (
            _PAD.format(rest="return torch.tensor(ids), torch.tensor(mask, dtype=torch.float32)"),
            "torch.float32",
        ),
        (
            _PAD.format(
                rest="ids = [list(r) + [pad_id] * g for g, r in zip(gaps, rows)]\n"
                "    return torch.tensor(ids), torch.tensor(mask)"
            ),
            "padding on the right",
        ),
        (
            _PAD.format(rest="return torch.tensor(ids), torch.ones_like(torch.tensor(ids))"),
            "1 everywhere",
        ),
        (
            _PAD.format(rest="return torch.tensor(ids), 1 - torch.tensor(mask)"),
            "the wrong way round",
        ),
        (
            _PAD.format(rest="ids = torch.tensor(ids)\n    return ids, (ids != pad_id).long()"),
            "lengths say what is padding",
        ),
        (
            _PAD.format(
                rest="ids = [row[-2:] for row in rows]\n"
                "    return torch.tensor(ids), torch.ones(3, 2).long()"
            ),
            "as long as the longest",
        ),
    ],
    "01.5": [
        (_CHANGE.format(rest="return changes.abs()"), "one number for all questions"),
        (_CHANGE.format(rest="return changes.mean().item()"), "rises and falls cancel"),
        (
            _CHANGE.format(
                rest="means = [(h - s).abs().mean() for h, s in zip(heard, silent)]\n"
                "    return torch.stack(means).mean().item()"
            ),
            "mean of the questions' means",
        ),
        (_CHANGE.format(rest="return changes.abs().sum().item()"), "this is the sum"),
        (_CHANGE.format(rest="return changes.square().mean().item()"), "squared"),
        (_CHANGE.format(rest="return changes.abs().max().item()"), "the largest change"),
        (
            _CHANGE.format(rest="return torch.cat(list(heard)).abs().mean().item()"),
            "a change of zero",
        ),
    ],
}
