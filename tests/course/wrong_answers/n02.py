"""Wrong answers to the exercises of notebook 02, and what each must be told."""


def _compress(*lines: str) -> str:
    return "def compress(mel):\n" + "\n".join(f"    {line}" for line in lines)


def _tokens(*lines: str) -> str:
    return "def longest_clip(tokens, window_seconds):\n" + "\n".join(
        f"    {line}" for line in lines
    )


def _cost(parameters: str, flops: str) -> str:
    return (
        "def linear_cost(tokens, inputs, outputs, bias):\n"
        f"    return {parameters}, {flops}"
    )  # fmt: skip


def _insert(*lines: str) -> str:
    return "def insert_clip(words, ids, clip, audio_id):\n" + "\n".join(
        f"    {line}" for line in lines
    )


_LOGS = "logs = mel.clamp(min=1e-10).log10()"
_BACK = "frames = 2 * (2 * tokens + 1)"
_WEIGHT = "inputs * outputs + (outputs if bias else 0)"
_PLACES = "places = ids == audio_id"
_COUNT = "if int(places.sum()) != len(clip): raise ValueError('count')"

WRONG: dict[str, list[tuple[str, str]]] = {
    "02.1": [
        (
            _compress("logs = mel.log10()", "return (torch.maximum(logs, logs.min()) + 4) / 4"),
            "power 0 has no log",
        ),
        (_compress(_LOGS, "return (logs + 4) / 4"), "move 3 is missing"),
        (_compress(_LOGS, "return torch.maximum(logs, logs.max() - 8)"), "move 4 is missing"),
        (
            _compress(
                "logs = mel.clamp(min=1e-10).log()",
                "return (torch.maximum(logs, logs.max() - 8) + 4) / 4",
            ),
            "natural logarithm",
        ),
        (
            _compress(
                "logs = 10 * mel.clamp(min=1e-10).log10()",
                "return (torch.maximum(logs, logs.max() - 80) + 4) / 4",
            ),
            "decibels",
        ),
        (
            _compress(_LOGS, "return (torch.maximum(logs, logs.max(dim=0).values - 8) + 4) / 4"),
            "each frame's own maximum",
        ),
        (
            _compress(
                _LOGS,
                "return (torch.maximum(logs, logs.amax(dim=1, keepdim=True) - 8) + 4) / 4",
            ),
            "each channel's own maximum",
        ),
        (_compress(_LOGS, "return (torch.minimum(logs, logs.max() - 8) + 4) / 4"), "a ceiling"),
        (_compress(_LOGS, "return (logs.clamp(min=-8) + 4) / 4"), "fixed at -8"),
        (
            _compress(_LOGS, "return torch.maximum(logs, logs.max() - 8) + 4 / 4"),
            "brackets around the sum",
        ),
        (
            _compress(
                "mel.clamp_(min=1e-10)",
                "logs = mel.log10()",
                "return (torch.maximum(logs, logs.max() - 8) + 4) / 4",
            ),
            "make a new tensor",
        ),
        (_compress(_LOGS, "return (torch.maximum(logs, logs.max() - 8) + 4).T / 4"), "the shape"),
        (
            _compress(_LOGS, "return (torch.maximum(logs, logs.max() - 8) - 4) / 4"),
            "loud, quiet and silent become",
        ),
    ],
    "02.2": [
        (_tokens(_BACK, "return frames"), "a frame has 160 samples"),
        (_tokens("return tokens // 25"), "these are seconds"),
        (_tokens("return min(tokens * 640, window_seconds * 16_000)"), "not the most: both"),
        (_tokens("return 160 * (4 * tokens + 1)"), "stands for two frames"),
        (_tokens("return 160 * (4 * tokens + 3)"), "which make 26 tokens"),
        (_tokens("return 160 * (4 * tokens + 2) - 1"), "some more would still make 25"),
        (_tokens(_BACK, "return 160.0 * frames"), "stay with whole numbers"),
        (_tokens(_BACK, "return 160 * frames"), "cuts some off"),
        (_tokens(_BACK, "return min(160 * frames, 4 * 16_000)"), "the window is an argument"),
        (_tokens(_BACK, "return min(160 * frames, 63_000)"), "give 63,000, not 64,000"),
    ],
    "02.3": [
        (
            "def linear_cost(tokens, inputs, outputs, bias):\n    return inputs * outputs",
            "two numbers are wanted",
        ),
        (_cost("2 * tokens * inputs * outputs", _WEIGHT), "changed places"),
        (_cost(f"tokens * ({_WEIGHT})", "2 * tokens * inputs * outputs"), "grow with the tokens"),
        (_cost("inputs * outputs", "2 * tokens * inputs * outputs"), "one for each output"),
        (
            _cost("inputs * outputs + inputs", "2 * tokens * inputs * outputs"),
            "not per input",
        ),
        (_cost(_WEIGHT, "tokens * inputs * outputs"), "two FLOPs and not one"),
        (_cost(_WEIGHT, "2 * inputs * outputs"), "those of one token"),
        (
            _cost(_WEIGHT, "2 * tokens * inputs * outputs + tokens * outputs"),
            "among the FLOPs",
        ),
        (
            _cost("inputs * outputs + outputs", "2 * tokens * inputs * outputs"),
            "look at `bias`",
        ),
        (_cost("inputs + outputs", "2 * tokens * inputs * outputs"), "8 parameters, not 5"),
    ],
    "02.4": [
        (_insert("return torch.cat([words, clip])"), "grown by the clip"),
        (_insert("words[ids == audio_id] = clip", "return words"), "may be its weights"),
        (_insert("return words.clone()"), "nothing was replaced"),
        (
            _insert("row = words.clone()", "row[ids == audio_id] += clip", "return row"),
            "added to the placeholders",
        ),
        (
            _insert("row = words.clone()", "row[ids == audio_id] = clip.flip(0)", "return row"),
            "backwards",
        ),
        (
            _insert("row = words.clone()", "row[:len(clip)] = clip", "return row"),
            "at the row's beginning",
        ),
        (
            _insert("row = words.clone()", "row[ids == audio_id] = clip[0]", "return row"),
            "the first, vector",
        ),
        (
            _insert(
                "row = words.clone()",
                "start = int((ids == audio_id).nonzero()[0])",
                "row[start:start + len(clip)] = clip",
                "return row",
            ),
            "in one block",
        ),
        (
            _insert("return words.masked_scatter((ids == audio_id).unsqueeze(-1), clip)"),
            "2 vectors raise RuntimeError",
        ),
        (
            _insert(
                "if (ids == audio_id).sum() > len(clip): raise ValueError('too few')",
                "return words.masked_scatter((ids == audio_id).unsqueeze(-1), clip)",
            ),
            "6 vectors went through without an error",
        ),
        (
            _insert(_PLACES, _COUNT, "row = words.clone()", "row[~places] = clip", "return row"),
            "do not stand in order",
        ),
        (_insert("return clip"), "that of the row is wanted"),
    ],
}
