"""Wrong answers to notebook 10's exercises, and what each must be told."""

_BYTES = "def training_bytes(frozen, width, trained):\n    return "
_BLOCK = "def four_bits(block, levels):\n"
_STEP = "def step_seconds(rows, weights, cache, flops, rate, bandwidth):\n    return "
_COMBINE = "def combine(means, groups):\n"

WRONG: dict[str, list[tuple[str, str]]] = {
    "10.1": [
        (_BYTES + "16 * trained\n", "the frozen weights are missing"),
        (_BYTES + "16 * (frozen + trained)\n", "neither gradient nor moments"),
        (_BYTES + "8 * (frozen * width + 16 * trained)\n", "these are bits"),
        (_BYTES + "(frozen * width + 16 * trained) / 1e9\n", "these are GB"),
        (_BYTES + "frozen * width + 4 * trained\n", "its weight alone"),
        (_BYTES + "frozen * width + 8 * trained\n", "weight and gradient: AdamW"),
        (_BYTES + "frozen * width + 12 * trained\n", "one is missing"),
        (_BYTES + "frozen * int(width) + 16 * trained\n", "the width may be 0.5"),
        (_BYTES + "[frozen * width, 16 * trained]\n", "wanted as a number"),
    ],
    "10.2": [
        (
            _BLOCK + "    scale = block.abs().max().clamp(min=1e-12)\n"
            "    return levels[(block[:, None] / scale - levels).abs().argmin(dim=1)]\n",
            "multiply by the scale again",
        ),
        (
            _BLOCK + "    scale = block.max().clamp(min=1e-12)\n"
            "    return levels[(block[:, None] / scale - levels).abs().argmin(dim=1)] * scale\n",
            "the largest value with its sign",
        ),
        (
            _BLOCK + "    scale = block.abs().max().clamp(min=1e-12)\n"
            "    codes = (torch.bucketize(block / scale, levels, right=True) - 1).clamp(0)\n"
            "    return levels[codes] * scale\n",
            "rounded to one side",
        ),
        (
            _BLOCK + "    return levels[(block[:, None] - levels).abs().argmin(dim=1)]\n",
            "nothing was divided",
        ),
        (
            _BLOCK + "    unit = block / block.abs().max()\n"
            "    codes = (unit[:, None] - levels).abs().argmin(dim=1)\n"
            "    return levels[codes] * block.abs().max() / (block.abs().max() > 0)\n",
            "a block of zeros gives nan",
        ),
        (
            _BLOCK + "    scale = block.abs().max().clamp(min=1e-12)\n"
            "    return (block[:, None] / scale - levels).abs().argmin(dim=1)\n",
            "these are the levels' numbers",
        ),
        (_BLOCK + "    return block\n", "came back as it was"),
        (
            _BLOCK + "    levels = torch.tensor([*scaling.NF4])\n"
            "    scale = block.abs().max().clamp(min=1e-12)\n"
            "    return levels[(block[:, None] / scale - levels).abs().argmin(dim=1)] * scale\n",
            "right for NF4 but not for even levels",
        ),
        (_BLOCK + "    return block[:, None] - levels\n", "as many values as the block has"),
    ],
    "10.3": [
        (
            _STEP + "rows * flops / rate + (weights + rows * cache) / bandwidth\n",
            "the two times were added",
        ),
        (
            _STEP + "min(rows * flops / rate, (weights + rows * cache) / bandwidth)\n",
            "the smaller of the two",
        ),
        (
            _STEP + "rows * max(flops / rate, (weights + cache) / bandwidth)\n",
            "ten readings of the weights",
        ),
        (
            _STEP + "max(rows * flops / rate, (weights + cache) / bandwidth)\n",
            "the cache was read once",
        ),
        (_STEP + "max(rows * flops / rate, weights / bandwidth)\n", "the cache is missing"),
        (
            _STEP + "max(flops / rate, (weights + rows * cache) / bandwidth)\n",
            "not counted for every row",
        ),
        (
            _STEP + "max(rows * flops / rate, (weights + rows * cache) / bandwidth) / rows\n",
            "the time per row",
        ),
    ],
    "10.4": [
        (_COMBINE + "    return sum(means) / len(means)\n", "each process has the same weight"),
        (_COMBINE + "    return sum(means)\n", "the means were added up"),
        (
            _COMBINE + "    return sum(n * m for n, m in zip(groups, means))\n",
            "not divided by the number of all groups",
        ),
        (
            _COMBINE + "    return sum(n * m for n, m in zip(groups, means)) / len(means)\n",
            "divided by the number of processes",
        ),
        (
            _COMBINE + "    total = sum(n * m for n, m in zip(groups[::-1], means))\n"
            "    return total / sum(groups)\n",
            "the weights are exchanged",
        ),
        (
            _COMBINE + "    return torch.stack([n * m for n, m in zip(groups, means)])\n",
            "one gradient is wanted",
        ),
        (
            _COMBINE + "    for n, mean in zip(groups, means):\n"
            "        mean *= n / sum(groups)\n"
            "    return sum(means)\n",
            "the means themselves were changed",
        ),
    ],
}
