"""Checks of notebook 02: log-mel compression, the longest clip, attention."""

import torch

from r1aqa_helpers.course.checks.common import Answer, close, explain, of_kind, tensor
from r1aqa_helpers.course.exercise import exercise, expect


def audio_tokens(samples: int, window_seconds: int) -> int:
    """Audio tokens as the processor counts them, for clips of at least three frames."""
    frames = -(-min(samples, window_seconds * 16_000) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@exercise("02.1", passed="quiet stays quiet next to loud, and silence is a floor, not minus ∞")
def compress(answer: Answer) -> None:
    """Whisper's compression of mel powers, in four moves."""
    mel = torch.tensor([[100.0, 1e-3, 0.0, 1.0], [10.0, 1e-5, 1e-9, 1e-10]])
    before = mel.clone()
    got = tensor(answer(mel), (2, 4), "a value per power")
    expect(torch.equal(mel, before), "the powers that came in were changed; make a new tensor")
    expect(torch.isfinite(got).all(), "silence has become infinite or NaN: power 0 has no log")

    def scaled(logs: torch.Tensor, floor: torch.Tensor | float) -> torch.Tensor:
        return (torch.maximum(logs, torch.as_tensor(floor)) + 4) / 4

    logs, natural = mel.clamp(min=1e-10).log10(), mel.clamp(min=1e-10).log()
    top = logs.max()
    expected = scaled(logs, top - 8)
    mistakes = {
        "move 3 is missing: silence lies more than 8 below the top": (logs + 4) / 4,
        "move 4 is missing: shift and scale": 4 * expected - 4,
        "this is the natural logarithm, not powers of ten": scaled(natural, natural.max() - 8),
        "the floor depends on each frame's own maximum": scaled(logs, logs.amax(dim=0) - 8),
        "the floor is fixed at -8, not 8 below the loudest point": scaled(logs, -8.0),
    }
    told = [", ".join(f"{v:.3g}" for v in values[0, :3].tolist()) for values in (got, expected)]
    explain(got, expected, mistakes, f"loud, quiet, silent become {told[0]}, not {told[1]}", 1e-4)


@exercise("02.2", passed="not one sample more fits, and no sample is lost")
def longest_clip(answer: Answer) -> None:
    """From audio tokens back to the most samples, through both roundings and the window."""
    second = of_kind(answer(25, 4), int, "a whole number of samples, an int")
    mistakes = {
        "25 tokens give 102, which are its frames; a frame has 160 samples": 102,
        "16,000 samples fit, but are not the most: both roundings drop frames": 16_000,
    }
    tokens = audio_tokens(second, 4)
    size = f"make {tokens} tokens: too many" if tokens > 25 else "fit; some more still would"
    explain(second, 16_320, mistakes, f"{second:,} samples {size}")
    full, wide = answer(100, 4), answer(100, 30)
    expect(full == 64_000, f"100 tokens in a window of four seconds give {full:,}, not 64,000")
    expect(wide == 64_320, f"a window of thirty seconds gives {wide:,}: the window is an argument")
    for tokens in range(1, 100):
        found = answer(tokens, 4)
        fits = audio_tokens(found, 4) == tokens < audio_tokens(found + 1, 4)
        expect(fits or found == 64_000, f"{tokens} tokens give {found:,} samples: not the most")


@exercise("02.3", passed="this is the attention of every transformer")
def attention(answer: Answer) -> None:
    """softmax(q·k / √width), masked before, times v."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 8).unbind(0)
    everyone, causal = torch.ones(4, 4).bool(), torch.ones(4, 4).tril().bool()
    got = tensor(answer(q, k, v, everyone), (2, 4, 8), "a vector for each head and position")

    def mixed(scores: torch.Tensor, dim: int = -1) -> torch.Tensor:
        return scores.softmax(dim=dim) @ v

    scores = q @ k.transpose(-2, -1)
    mistakes = {
        "the scores are not divided by the square root of the width": mixed(scores),
        "the scores are divided by the width, not by its square root": mixed(scores / 8),
        "the softmax runs over the queries; each position's weights over the *keys* sum to 1": (
            mixed(scores / 8**0.5, dim=-2)
        ),
        "the weights are right, but nothing is mixed: the scores go to the values, not to keys": (
            (scores / 8**0.5).softmax(dim=-1) @ k
        ),
    }
    explain(got, mixed(scores / 8**0.5), mistakes, "the vectors are wrong already unmasked", 1e-5)
    masked = answer(q, k, v, causal)
    wanted = mixed((scores / 8**0.5).masked_fill(~causal, float("-inf")))
    expect(not close(masked, got, 1e-5), "`allowed` makes no difference: forbidden scores are -inf")
    mistakes = {
        "masked after the softmax, the weights no longer sum to 1: mask the scores": (
            ((scores / 8**0.5).softmax(dim=-1) * causal) @ v
        ),
        "forbidden scores are 0 here, which is a score like any other: use -inf": (
            mixed((scores / 8**0.5).masked_fill(~causal, 0.0))
        ),
        "the mask is the wrong way round: True means that a position may be read": (
            mixed((scores / 8**0.5).masked_fill(causal, float("-inf"))).nan_to_num()
        ),
    }
    got = torch.as_tensor(masked).detach().nan_to_num()
    explain(got, wanted, mistakes, "right unmasked, wrong with a causal mask", 1e-5)
