"""Wrong answers to notebook 06's exercises, and what each must be told."""

WRONG: dict[str, list[tuple[str, str]]] = {
    "06.1": [
        (
            "def group_advantages(rewards, group_size):\n"
            "    groups = rewards.view(-1, group_size)\n"
            "    return (groups - groups.mean(dim=1, keepdim=True)).flatten()\n",
            "the spread is not divided by",
        ),
        (
            "def group_advantages(rewards, group_size):\n"
            "    return (rewards - rewards.mean()) / (rewards.std() + 1e-4)\n",
            "taken over all rewards",
        ),
        (
            "def group_advantages(rewards, group_size):\n"
            "    groups = rewards.view(-1, group_size)\n"
            "    spread = groups.std(dim=1, keepdim=True, correction=0)\n"
            "    centred = groups - groups.mean(dim=1, keepdim=True)\n"
            "    return (centred / (spread + 1e-4)).flatten()\n",
            "divides by G - 1",
        ),
        (
            "def group_advantages(rewards, group_size):\n"
            "    groups = rewards.view(-1, group_size)\n"
            "    spread = groups.std(dim=1, keepdim=True)\n"
            "    return ((groups - groups.mean(dim=1, keepdim=True)) / spread).flatten()\n",
            "four equal rewards give nan",
        ),
        (
            "def group_advantages(rewards, group_size):\n"
            "    groups = rewards.view(-1, group_size)\n"
            "    return (groups / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()\n",
            "mean was not subtracted",
        ),
        (
            "def group_advantages(rewards, group_size):\n"
            "    groups = rewards.view(-1, group_size)\n"
            "    spread = groups.std(dim=1, keepdim=True)\n"
            "    return (groups - groups.mean(dim=1, keepdim=True)) / (spread + 1e-4)\n",
            "shape should be that of the rewards",
        ),
        (
            "def group_advantages(rewards, group_size):\n"
            "    groups = rewards.view(-1, group_size)\n"
            "    spread = groups.std(dim=1, keepdim=True)\n"
            "    centred = groups.mean(dim=1, keepdim=True) - groups\n"
            "    return (centred / (spread + 1e-4)).flatten()\n",
            "sign is turned round",
        ),
        (
            "def group_advantages(rewards, group_size):\n"
            "    groups = rewards.view(group_size, -1)\n"
            "    spread = groups.std(dim=0, keepdim=True)\n"
            "    centred = groups - groups.mean(dim=0, keepdim=True)\n"
            "    return (centred / (spread + 1e-4)).flatten()\n",
            "answers of different questions",
        ),
    ],
    "06.2": [
        (
            "def clipped_surrogate(ratio, advantage, clip):\n    return ratio * advantage\n",
            "nothing is clipped",
        ),
        (
            "def clipped_surrogate(ratio, advantage, clip):\n"
            "    return ratio.clamp(1 - clip, 1 + clip) * advantage\n",
            "only the clipped value is used",
        ),
        (
            "def clipped_surrogate(ratio, advantage, clip):\n"
            "    clipped = ratio.clamp(1 - clip, 1 + clip)\n"
            "    return torch.max(ratio * advantage, clipped * advantage)\n",
            "the optimist's choice",
        ),
        (
            "def clipped_surrogate(ratio, advantage, clip):\n"
            "    clipped = ratio.clamp(1 - clip, 1 + clip)\n"
            "    return -torch.min(ratio * advantage, clipped * advantage)\n",
            "this is the loss",
        ),
        (
            "def clipped_surrogate(ratio, advantage, clip):\n"
            "    gain = ratio * advantage\n"
            "    return torch.min(gain, gain.clamp(1 - clip, 1 + clip))\n",
            "the product was clipped",
        ),
        (
            "def clipped_surrogate(ratio, advantage, clip):\n"
            "    return ratio.clamp(max=1 + clip) * advantage\n",
            "clipped above alone",
        ),
        (
            "def clipped_surrogate(ratio, advantage, clip):\n"
            "    return torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)\n",
            "did not move with the argument",
        ),
        (
            "def clipped_surrogate(ratio, advantage, clip):\n"
            "    clipped = ratio.clamp(1 - clip, 1 + clip)\n"
            "    return torch.min(ratio * advantage, clipped * advantage).mean()\n",
            "one value per ratio is wanted",
        ),
    ],
    "06.3": [
        (
            "def kl_estimate(logps, ref_logps):\n    return logps - ref_logps\n",
            "this is k1",
        ),
        (
            "def kl_estimate(logps, ref_logps):\n    return (ref_logps - logps) ** 2 / 2\n",
            "this is k2",
        ),
        (
            "def kl_estimate(logps, ref_logps):\n"
            "    d = logps - ref_logps\n"
            "    return torch.exp(d) - d - 1\n",
            "are exchanged",
        ),
        (
            "def kl_estimate(logps, ref_logps):\n"
            "    d = ref_logps - logps\n"
            "    return torch.exp(d) - d\n",
            "the constant is missing",
        ),
        (
            "def kl_estimate(logps, ref_logps):\n    return torch.exp(ref_logps - logps) - 1\n",
            "the term linear in d is missing",
        ),
        (
            "def kl_estimate(logps, ref_logps):\n    return (ref_logps - logps).abs()\n",
            "the absolute log-ratio",
        ),
        (
            "def kl_estimate(logps, ref_logps):\n    return ref_logps - logps\n",
            "upside down",
        ),
        (
            "def kl_estimate(logps, ref_logps):\n"
            "    d = ref_logps - logps\n"
            "    return (torch.exp(d) - d - 1).mean()\n",
            "one estimate per token",
        ),
    ],
    "06.4": [
        (
            "def two_means(losses, mask):\n    return losses.mean(dim=1).mean(), losses.mean()\n",
            "padding was counted in",
        ),
        (
            "def two_means(losses, mask):\n"
            "    kept = losses * mask\n"
            "    sequence = (kept.sum(dim=1) / mask.sum(dim=1)).mean()\n"
            "    return kept.sum() / mask.sum(), sequence\n",
            "in the wrong order",
        ),
        (
            "def two_means(losses, mask):\n"
            "    token = (losses * mask).sum() / mask.sum()\n"
            "    return token, token\n",
            "both numbers weigh tokens alike",
        ),
        (
            "def two_means(losses, mask):\n"
            "    sequence = ((losses * mask).sum(dim=1) / mask.sum(dim=1)).mean()\n"
            "    return sequence, sequence\n",
            "both numbers weigh answers alike",
        ),
        (
            "def two_means(losses, mask):\n"
            "    kept = losses * mask\n"
            "    return kept.mean(dim=1).mean(), kept.sum() / mask.sum()\n",
            "divided by the padded width",
        ),
        (
            "def two_means(losses, mask):\n"
            "    kept = losses * mask\n"
            "    return (kept.sum(dim=1) / mask.sum(dim=1)).sum(), kept.sum() / mask.sum()\n",
            "added up",
        ),
        (
            "def two_means(losses, mask):\n"
            "    kept = losses * mask\n"
            "    return (kept.sum(dim=1) / mask.sum(dim=1)).mean()\n",
            "two numbers are wanted",
        ),
        (
            "def two_means(losses, mask):\n"
            "    kept = losses * mask\n"
            "    return (kept.sum(dim=1) / mask.sum(dim=1)).mean(), kept.sum()\n",
            "over all tokens the mean is",
        ),
    ],
    "06.5": [
        (
            "def block_mask(prompt, lengths):\n"
            "    size = prompt + sum(lengths)\n"
            "    return torch.ones(size, size, dtype=torch.bool).tril()\n",
            "answers see the answers before them",
        ),
        (
            "def block_mask(prompt, lengths):\n"
            "    owner = torch.cat([torch.zeros(prompt)] + [\n"
            "        torch.full((n,), i + 1.0) for i, n in enumerate(lengths)])\n"
            "    return (owner[:, None] == owner) | (owner == 0)\n",
            "has to be causal as well",
        ),
        (
            "def block_mask(prompt, lengths):\n"
            "    owner = torch.cat([torch.zeros(prompt)] + [\n"
            "        torch.full((n,), i + 1.0) for i, n in enumerate(lengths)])\n"
            "    return (owner[:, None] == owner).tril()\n",
            "does not see the whole prompt",
        ),
        (
            "def block_mask(prompt, lengths):\n"
            "    owner = torch.cat([torch.zeros(prompt)] + [\n"
            "        torch.full((n,), i + 1.0) for i, n in enumerate(lengths)])\n"
            "    return ((owner[:, None] == owner) | (owner == 0)).tril().T\n",
            "rows and columns are exchanged",
        ),
        (
            "def block_mask(prompt, lengths):\n"
            "    owner = torch.cat([torch.zeros(prompt)] + [\n"
            "        torch.full((n,), i + 1.0) for i, n in enumerate(lengths)])\n"
            "    return ((owner[:, None] == owner) | (owner == 0)).tril(-1)\n",
            "the diagonal is not all True",
        ),
        (
            "def block_mask(prompt, lengths):\n"
            "    owner = torch.cat([torch.zeros(prompt)] + [\n"
            "        torch.full((n,), i + 1.0) for i, n in enumerate(lengths)])\n"
            "    seen = (owner[:, None] == owner) | (owner == 0) | (owner[:, None] == 0)\n"
            "    return seen\n",
            "the prompt sees the answers",
        ),
        (
            "def block_mask(prompt, lengths):\n"
            "    owner = torch.cat([torch.zeros(prompt)] + [\n"
            "        torch.full((n,), i + 1.0) for i, n in enumerate(lengths)])\n"
            "    return ((owner[:, None] == owner) | (owner == 0)).tril().float()\n",
            "a mask of True and False",
        ),
        (
            "def block_mask(prompt, lengths):\n"
            "    size = sum(prompt + n for n in lengths)\n"
            "    return torch.ones(size, size, dtype=torch.bool).tril()\n",
            "prompt and answers have 9 tokens",
        ),
    ],
}
