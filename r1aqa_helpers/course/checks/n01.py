"""Checks of notebook 01: messages, audio tokens, repetition penalty, padding, hearing check."""

import torch

from r1aqa_helpers.course.checks.common import (
    Answer,
    close,
    explain,
    number,
    of_kind,
    parts,
    tensor,
    try_cases,
)
from r1aqa_helpers.course.exercise import exercise, expect


@exercise("01.1", passed="the template will write one numbered place per clip, then the text")
def messages_with_clips(answer: Answer) -> None:
    """One user turn whose content is the clips' places, then the text."""
    text = "Which clip is louder?"
    got = answer(text, 2)
    expect(isinstance(got, list), "the template takes a list of messages, even if it is one")
    expect(len(got) == 1, f"one turn is wanted, these are {len(got)}: put all into one content")
    turn = of_kind(got[0], dict, "a dict with role and content")
    expect(
        turn["role"] == "user", f"role {turn['role']!r}: it is the user who shows clips and asks"
    )
    content = turn["content"]
    kinds = [part.get("type") if isinstance(part, dict) else None for part in content]
    found = kinds.count("audio")
    expect(found == 2, f"two clips are asked for, {found} have a place")
    expect(kinds == ["audio", "audio", "text"], f"{kinds}: the clips come before the text")
    expect(content[-1].get("text") == text, 'the text part holds its words under the key "text"')
    alone = [part.get("type") for part in answer(text, 0)[0]["content"]]
    expect(alone == ["text"], "with no clips there is no audio part")


@exercise("01.2", passed="text and audio have the same number of tokens")
def audio_tokens(answer: Answer) -> None:
    """ceil(ceil(samples / 160) / 2) // 2, after the cut to the window."""
    got = of_kind(answer(16_000, 4.0), int, "a whole number (divide with //)")
    mistakes = {
        "100 columns in a second, but the encoder halves them twice": 100,
        "one halving is missing: the encoder does it twice": 50,
    }
    explain(got, 25, mistakes, f"a second gives 25 tokens, not {got}")
    # 1,120 samples are 7 columns: 7 -> 4 -> 2; of 1,119 the last is incomplete, and counts.
    # 49,600 are 310 columns: 310 -> 155 -> 77, not 78.
    cases = {
        "a clip longer than the window is cut first: six seconds": ((96_000, 4.0), 100),
        "the window is an argument: with thirty seconds, six are not cut": ((96_000, 30.0), 150),
        "the first halving rounds up: seven columns make four": ((1_120, 4.0), 2),
        "an incomplete column counts too: samples to columns is rounded up": ((1_119, 4.0), 2),
        "the second halving rounds down": ((49_600, 4.0), 77),
    }
    try_cases(answer, cases)


@exercise("01.3", passed="and that is what the library does")
def penalise(answer: Answer) -> None:
    """Divide positive logits of seen tokens, multiply negative ones, once each, in a copy."""
    logits = torch.tensor([2.0, 1.5, 0.5, 1.8, -1.0])
    given = logits.clone()
    got = tensor(answer(given, torch.tensor([3, 4]), 1.5), (5,), "one logit per word, seen or not")
    expect(torch.equal(given, logits), "the caller's logits have changed: work on a copy")
    expect(close(got[:3], logits[:3]), "tokens that were not seen keep their logits")
    expect(close(got[3], 1.2), f"a positive logit is divided: 1.8 / 1.5 is 1.2, not {got[3]:.2f}")
    expect(got[4] < -1, "a negative logit, divided, comes nearer to zero: the token is likelier")
    expect(close(got[4], -1.5), f"a negative logit is multiplied: -1.5, not {got[4]:.2f}")
    twice = answer(logits.clone(), torch.tensor([3, 3, 4]), 1.5)
    expect(close(twice[3], 1.2), "a token seen twice is penalised once, not once per occurrence")


@exercise("01.4", passed="every row ends where its answer begins")
def left_pad(answer: Answer) -> None:
    """Ids filled up on the left, and a mask by length."""
    rows = [[11, 12, 13], [21, 22, 23, 24, 25], [31, 32]]
    ids, mask = parts(answer(rows, 0), "the ids and the mask")
    for got in (ids, mask):
        tensor(got, (3, 5), "three rows as long as the longest")
        expect(got.dtype == torch.long, f"whole numbers (torch.long) are wanted, not {got.dtype}")
    wanted = [[0, 0, 11, 12, 13], [21, 22, 23, 24, 25], [0, 0, 0, 31, 32]]
    other = [[11, 12, 13, 0, 0], [21, 22, 23, 24, 25], [31, 32, 0, 0, 0]]
    mistakes = {"this is padding on the right: the next token would follow the padding": other}
    explain(ids, wanted, mistakes, "a row's own tokens stand at its end, in order, after padding")
    wanted = [[0, 0, 1, 1, 1], [1] * 5, [0, 0, 0, 1, 1]]
    mistakes = {
        "the mask is 1 everywhere: the model would read the padding as text": [[1] * 5] * 3,
    }
    explain(mask, wanted, mistakes, "the mask is 0 for the padding before each row, 1 for the row")
    _, mask = answer([[7, 0, 8], [5]], 0)
    message = "a prompt may hold the pad token itself: lengths say what is padding, not values"
    expect(close(mask, [[1, 1, 1], [0, 0, 1]]), message)


@exercise("01.5", passed="the change is zero only for a model that ignores the audio")
def listening_change(answer: Answer) -> None:
    """Mean of the absolute changes over all choices of all questions."""
    heard = [torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -2.0, -1.0, -2.5])]
    silent = [torch.tensor([-2.0, -2.0]), torch.tensor([-2.0, -2.0, -3.0, -2.5])]
    got = answer(heard, silent)
    expect(getattr(got, "ndim", 0) == 0, "one number for all questions is wanted")
    expect(close(answer(heard, heard), 0), "the same scores twice are a change of zero")
    # Changes: +1, -1, 0, 0, +2, 0. Their mean is 1/3, of their absolute values 2/3.
    cancel = "rises and falls cancel here: the absolute value comes before the mean"
    mistakes = {
        cancel: 2 / 6,
        "this is the mean of the questions' means: every choice counts once": 3 / 4,
        "this is the sum: more questions would look like better hearing": 4,
    }
    explain(number(got), 4 / 6, mistakes, f"2/3 is wanted here, not {number(got):.4f}", 1e-4)
