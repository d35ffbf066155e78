"""Checks of the exercises of notebook 02, inside the model."""

from collections.abc import Callable

import torch

from r1aqa_helpers.course.exercise import Mistake, exercise, expect


def right_tokens(samples: int, window_seconds: int) -> int:
    """Audio tokens as the processor counts them, for clips of at least three frames."""
    frames = -(-min(samples, window_seconds * 16_000) // 160)
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@exercise("02.1", passed="quiet stays quiet beside loud, and silence is a floor and not minus ∞")
def compress(answer: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Whisper's compression of mel powers, in four moves."""
    mel = torch.tensor([[100.0, 1e-3, 0.0, 1.0], [10.0, 1e-5, 1e-9, 1e-10]])
    before = mel.clone()
    got = answer(mel)
    expect(isinstance(got, torch.Tensor), "a tensor is wanted, of the same shape as the powers")
    expect(got.shape == mel.shape, f"the shape is {tuple(got.shape)}; it should not change")
    expect(torch.equal(mel, before), "the powers that came in were changed; make a new tensor")
    expect(torch.isfinite(got).all(), "silence has become infinite or NaN: power 0 has no log")
    logs = mel.clamp(min=1e-10).log10()
    right = (torch.maximum(logs, logs.max() - 8) + 4) / 4
    if torch.allclose(got, right, atol=1e-4):
        return

    def close(other: torch.Tensor) -> bool:
        return got.shape == other.shape and torch.allclose(got, other, atol=1e-4)

    natural = mel.clamp(min=1e-10).log()
    decibel = 10 * logs
    each = torch.maximum(logs, logs.amax(dim=0) - 8)
    rows = torch.maximum(logs, logs.amax(dim=1, keepdim=True) - 8)
    expect(not close((logs + 4) / 4), "move 3 is missing: silence lies more than 8 below the top")
    expect(not close(torch.maximum(logs, logs.max() - 8)), "move 4 is missing: shift and scale")
    expect(
        not close((torch.maximum(natural, natural.max() - 8) + 4) / 4),
        "this is the natural logarithm; the scale of the model counts powers of ten",
    )
    expect(
        not any(
            close((torch.maximum(decibel, decibel.max() - below) + 4) / 4) for below in (8, 80)
        ),
        "these are decibels, ten times too large: no factor belongs in front of the logarithm",
    )
    expect(
        not close((each + 4) / 4),
        "the floor hangs on each frame's own maximum; it should be the whole clip's, "
        "or quiet moments would be lifted",
    )
    expect(
        not close((rows + 4) / 4),
        "the floor hangs on each channel's own maximum; it should be the whole clip's",
    )
    expect(
        not close((torch.minimum(logs, logs.max() - 8) + 4) / 4),
        "this is a ceiling: everything louder than the floor has gone, and not what is quieter",
    )
    expect(
        not close((logs.clamp(min=-8) + 4) / 4),
        "the floor is fixed at -8; it should lie 8 below the loudest point",
    )
    expect(
        not close(torch.maximum(logs, logs.max() - 8) + 4 / 4),
        "4 / 4 is worked out before the sum: brackets around the sum are missing",
    )
    raise Mistake(
        f"loud, quiet and silent become {_listed(got[0, :3])}; the toy above gave "
        f"{_listed(right[0, :3])}"
    )


@exercise("02.2", passed="not a sample more fits, and every sample is heard")
def longest_clip(answer: Callable[[int, int], int]) -> None:
    """From audio tokens back to the most samples, through both roundings and the window."""
    second = answer(25, 4)
    expect(
        isinstance(second, int),
        f"{second!r} is no int: samples are whole, so stay with whole numbers",
    )
    expect(second != 102, "25 tokens give 102, which are its frames; a frame has 160 samples")
    expect(second != 1, "25 tokens give 1: these are seconds, and samples are wanted")
    expect(
        second != 16_000,
        "25 tokens give 16,000 samples, which do fit, but are not the most: both roundings "
        "let frames fall off the end",
    )
    expect(
        second != 16_160,
        "25 tokens give one frame more than a second; the pool drops an odd position, and a "
        "position stands for two frames",
    )
    expect(
        right_tokens(second, 4) <= 25,
        f"25 tokens give {second:,} samples, which make {right_tokens(second, 4)} tokens: too many",
    )
    expect(
        second == 16_320,
        f"25 tokens give {second:,} samples; some more would still make 25",
    )
    full = answer(100, 4)
    expect(
        full <= 64_000,
        f"100 tokens in a window of four seconds give {full:,} samples, of which the processor "
        "cuts some off: all are to be heard",
    )
    expect(full == 64_000, f"100 tokens in a window of four seconds give {full:,}, not 64,000")
    wide = answer(100, 30)
    expect(
        wide == 64_320,
        f"100 tokens in a window of thirty seconds give {wide:,}, not 64,320: the window is an "
        "argument",
    )
    for tokens in range(1, 100):
        found = answer(tokens, 4)
        fits = right_tokens(found, 4) == tokens < right_tokens(found + 1, 4)
        expect(fits or found == 64_000, f"{tokens} tokens give {found:,} samples: not the most")


@exercise("02.3", passed="with this, most of a transformer can be counted")
def linear_cost(answer: Callable[[int, int, int, bool], tuple[int, int]]) -> None:
    """Parameters and FLOPs of a linear layer."""
    got = answer(10, 3, 2, True)
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "two numbers are wanted: parameters, then FLOPs",
    )
    parameters, flops = got
    expect((parameters, flops) != (120, 8), "the two numbers have changed places: parameters first")
    expect(
        parameters != 80 and parameters != 60,
        "the parameters grow with the tokens; all tokens share one weight",
    )
    expect(parameters != 6, "with a bias there are more parameters: one for each output")
    expect(parameters != 9, "the bias has one number per output, not per input")
    expect(parameters == 8, f"a layer from 3 to 2 with a bias has 8 parameters, not {parameters}")
    expect(flops != 60, "a weight is multiplied and added: that is two FLOPs and not one")
    expect(flops != 12, "the FLOPs are those of one token; ten go through the layer")
    expect(flops not in (140, 160), "the bias is counted among the FLOPs, where it is left out")
    expect(flops == 120, f"ten tokens through 3 x 2 weights take 120 FLOPs, not {flops}")
    plain = answer(10, 3, 2, False)
    expect(
        plain[0] == 6,
        f"without a bias a layer from 3 to 2 has 6 parameters, not {plain[0]}: look at `bias`",
    )
    expect(tuple(plain) == (6, 120), f"without a bias the FLOPs are the same 120, not {plain[1]}")
    projector = answer(750, 1280, 4096, True)
    expect(
        tuple(projector) == (5_246_976, 7_864_320_000),
        f"the 7B projector on 750 tokens comes out at {tuple(projector)}; "
        "5,246,976 parameters and 7,864,320,000 FLOPs are right",
    )


@exercise("02.4", passed="every vector stands where its placeholder stood, and nothing else moved")
def insert_clip(
    answer: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int], torch.Tensor],
) -> None:
    """The clip's vectors over the placeholders' places."""
    words = torch.arange(12.0).view(6, 2)
    ids = torch.tensor([4, 9, 9, 5, 9, 7])
    clip = torch.tensor([[-1.0, -2.0], [-3.0, -4.0], [-5.0, -6.0]])
    before = words.clone()
    got = answer(words, ids, clip, 9)
    expect(isinstance(got, torch.Tensor), "a tensor is wanted: the row of vectors")
    expect(
        got.shape != (9, 2),
        "the row has grown by the clip: its vectors replace placeholders, they are not added on",
    )
    expect(got.shape == (6, 2), f"the shape is {tuple(got.shape)}; that of the row is wanted")
    expect(
        torch.equal(words, before),
        "the embeddings that came in were changed; in a model those may be its weights",
    )
    right = words.clone()
    right[ids == 9] = clip
    if not torch.equal(got, right):
        added, turned, front, third = (words.clone() for _ in range(4))
        added[ids == 9] += clip
        turned[ids == 9] = clip.flip(0)
        front[:3] = clip
        third[ids == 9] = clip[0]
        block = words.clone()
        block[1:4] = clip
        expect(not torch.equal(got, words), "nothing was replaced: the row is as it came in")
        expect(
            not torch.equal(got, added),
            "the clip is added to the placeholders' vectors; it should replace them",
        )
        expect(not torch.equal(got, turned), "the clip stands there backwards")
        expect(not torch.equal(got, front), "the clip stands at the row's beginning, over the text")
        expect(not torch.equal(got, third), "every placeholder got the same, the first, vector")
        expect(
            not torch.equal(got, block),
            "the clip was laid down in one block from the first placeholder on; "
            "here text stands between, and was overwritten",
        )
        raise Mistake("text vectors have changed, or the clip's do not stand in order")
    for vectors in (clip[:2], torch.cat([clip, clip])):
        try:
            answer(words, ids, vectors, 9)
        except ValueError:
            continue
        except Exception as error:
            raise Mistake(
                f"3 placeholders and {len(vectors)} vectors raise {type(error).__name__}; "
                "a ValueError is wanted, that says what does not fit"
            ) from None
        raise Mistake(
            f"3 placeholders and {len(vectors)} vectors went through without an error: "
            "compare the two numbers first"
        )


def _listed(values: torch.Tensor) -> str:
    return ", ".join(f"{value:.3g}" for value in values.tolist())
