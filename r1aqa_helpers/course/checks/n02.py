"""Checks of notebook 02: log-mel compression, longest clip, costs of a layer, inserted clip."""

import torch

from r1aqa_helpers.course.checks.common import Answer, explain, of_kind, parts, tensor
from r1aqa_helpers.course.exercise import Mistake, exercise, expect


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


@exercise("02.3", passed="with this you can count most of a transformer's FLOPs")
def linear_cost(answer: Answer) -> None:
    """Parameters and FLOPs of a linear layer."""
    parameters, flops = parts(answer(10, 3, 2, True), "parameters, then FLOPs")
    swapped = (parameters, flops) == (120, 8)
    expect(not swapped, "the two numbers have changed places: parameters first")
    shared = "the parameters grow with the tokens; all tokens share one weight"
    mistakes = {
        shared: 80,
        "with a bias there are more parameters: one for each output": 6,
    }
    explain(parameters, 8, mistakes, f"from 3 to 2 with a bias are 8 parameters, not {parameters}")
    mistakes = {
        "a weight is multiplied and added: that is two FLOPs and not one": 60,
        "the FLOPs are those of one token; ten go through the layer": 12,
    }
    explain(flops, 120, mistakes, f"ten tokens through 3 x 2 weights take 120 FLOPs, not {flops}")
    plain, big = tuple(answer(10, 3, 2, False)), tuple(answer(750, 1280, 4096, True))
    expect(plain == (6, 120), f"without a bias it is 6 and 120, not {plain}: look at `bias`")
    wanted = (5_246_976, 7_864_320_000)
    expect(big == wanted, f"the 7B projector on 750 tokens gives {big}, not {wanted}")


@exercise("02.4", passed="every vector stands where its placeholder stood, and nothing else moved")
def insert_clip(answer: Answer) -> None:
    """The clip's vectors over the placeholders' places."""
    words = torch.arange(12.0).view(6, 2)
    ids = torch.tensor([4, 9, 9, 5, 9, 7])
    clip = torch.tensor([[-1.0, -2.0], [-3.0, -4.0], [-5.0, -6.0]])
    before = words.clone()
    got = answer(words, ids, clip, 9)
    grown = getattr(got, "shape", ()) == (9, 2)
    expect(not grown, "the row has grown by the clip: its vectors replace placeholders")
    got = tensor(got, (6, 2), "the row of vectors")
    expect(torch.equal(words, before), "the embeddings that came in were changed: work on a copy")

    def placed(where: slice | torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        row = words.clone()
        row[where] = vectors
        return row

    here = ids == 9
    mistakes = {
        "nothing was replaced: the row is as it came in": words,
        "the clip was laid in one block, over text": placed(slice(1, 4), clip),
    }
    explain(got, placed(here, clip), mistakes, "the vectors do not stand where they belong")
    for vectors in (clip[:2], torch.cat([clip, clip])):
        told = f"3 placeholders and {len(vectors)} vectors"
        try:
            answer(words, ids, vectors, 9)
        except ValueError:
            continue
        except Exception as error:
            raise Mistake(f"{told} raise {type(error).__name__}, not a ValueError") from None
        raise Mistake(f"{told} went through without an error: compare the two numbers first")
