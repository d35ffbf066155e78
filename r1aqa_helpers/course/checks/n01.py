"""Exercise checks of notebook 01: messages, audio tokens, penalty, padding, listening."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from r1aqa_helpers.course.exercise import exercise, expect

Pad = Callable[[Sequence[Sequence[int]], int], tuple[torch.Tensor, torch.Tensor]]
Change = Callable[[Sequence[torch.Tensor], Sequence[torch.Tensor]], float]


@exercise("01.1", passed="the template will write one numbered place per clip, then the text")
def messages_with_clips(answer: Callable[[str, int], list[dict[str, Any]]]) -> None:
    """One user turn whose content is the clips' places, then the text."""
    text = "Which clip is louder?"
    got = answer(text, 2)
    expect(
        isinstance(got, list),
        "the template takes a list of messages, even where there is only one",
    )
    expect(
        len(got) == 1,
        f"one turn is wanted, these are {len(got)}: clips and text stand in the same content",
    )
    turn = got[0]
    expect(
        isinstance(turn, dict) and {"role", "content"} <= set(turn),
        "a message is a dict with role and content",
    )
    expect(
        turn["role"] == "user",
        f"the role is {turn['role']!r}: it is the user who shows the clips and asks",
    )
    content = turn["content"]
    expect(
        not isinstance(content, str),
        "a content that is a plain string has no place for a clip: the model would be deaf",
    )
    kinds = [part.get("type") if isinstance(part, dict) else None for part in content]
    expect(
        kinds.count("audio") == 2,
        f"two clips are asked for, {kinds.count('audio')} have a place",
    )
    expect(
        kinds == ["audio", "audio", "text"],
        f"the parts come as {kinds}: the clips come before the text",
    )
    expect(
        content[-1].get("text") == text,
        'the text part holds its words under the key "text", unchanged',
    )
    alone = answer(text, 0)
    expect(
        [part.get("type") for part in alone[0]["content"]] == ["text"],
        "with no clips there is no audio part",
    )


@exercise("01.2", passed="text and sound will fit together to the token")
def audio_tokens(answer: Callable[[int, float], int]) -> None:
    """ceil(ceil(samples / 160) / 2) // 2, after the cut to the window."""
    got = answer(16_000, 4.0)
    expect(
        isinstance(got, int) and not isinstance(got, bool),
        f"tokens come in whole numbers, this is {type(got).__name__}: divide with //",
    )
    expect(got != 100, "100 columns in a second, but the encoder halves them twice")
    expect(got != 50, "one halving is missing: the encoder does it twice")
    expect(got == 25, f"a second gives 25 tokens, not {got}")
    expect(
        answer(96_000, 4.0) == 100,
        "a clip longer than the window is cut first: six seconds in a window of four give 100",
    )
    expect(
        answer(96_000, 30.0) == 150,
        "the window is an argument: with thirty seconds, six are not cut",
    )
    # 7 columns: 7 -> 4 -> 2. With the first halving rounded down, 7 -> 3 -> 1.
    expect(answer(1_120, 4.0) == 2, "the first halving rounds up: seven columns make four")
    # 7 columns, the last one incomplete. Whole columns only would be 6 -> 3 -> 1.
    expect(
        answer(1_119, 4.0) == 2,
        "an incomplete column counts too: samples to columns is rounded up",
    )
    # 310 columns: 310 -> 155 -> 77, not 78.
    expect(answer(49_600, 4.0) == 77, "the second halving rounds down")


@exercise("01.3", passed="and it is what the library does")
def penalise(answer: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]) -> None:
    """Divide positive logits of seen tokens, multiply negative ones, once each, in a copy."""
    logits = torch.tensor([2.0, 1.5, 0.5, 1.8, -1.0])
    given = logits.clone()
    got = answer(given, torch.tensor([3, 4]), 1.5)
    expect(
        isinstance(got, torch.Tensor) and got.shape == logits.shape,
        "one logit per word of the vocabulary is wanted, seen or not",
    )
    expect(
        torch.equal(given, logits),
        "the caller's logits have changed: work on a copy",
    )
    expect(
        torch.allclose(got[:3], logits[:3]),
        "tokens that were not seen keep their logits",
    )
    expect(got[3] < 1.8, "the seen token with a positive logit has not become less likely")
    expect(
        torch.isclose(got[3], torch.tensor(1.2)),
        f"a positive logit is divided: 1.8 under a penalty of 1.5 is 1.2, not {got[3]:.2f}",
    )
    expect(
        got[4] < -1.0,
        "the seen token with a negative logit has become likelier: dividing it by the penalty "
        "brings it nearer to zero",
    )
    expect(
        torch.isclose(got[4], torch.tensor(-1.5)),
        f"a negative logit is multiplied: -1.0 under a penalty of 1.5 is -1.5, not {got[4]:.2f}",
    )
    twice = answer(logits.clone(), torch.tensor([3, 3, 4]), 1.5)
    expect(
        torch.isclose(twice[3], torch.tensor(1.2)),
        "a token that was seen twice is penalised once, not once per occurrence",
    )


@exercise("01.4", passed="every row ends where its answer begins")
def left_pad(answer: Pad) -> None:
    """Ids filled up on the left, and a mask by length."""
    rows = [[11, 12, 13], [21, 22, 23, 24, 25], [31, 32]]
    got = answer(rows, 0)
    expect(
        isinstance(got, tuple) and len(got) == 2,
        "two things are wanted: the ids and the mask",
    )
    ids, mask = got
    expect(
        isinstance(ids, torch.Tensor) and isinstance(mask, torch.Tensor),
        "ids and mask are wanted as tensors, for rows of one length make a matrix",
    )
    expect(
        tuple(ids.shape) == (3, 5),
        f"the ids are {tuple(ids.shape)}: three rows as long as the longest are wanted",
    )
    expect(
        ids.dtype == torch.long and mask.dtype == torch.long,
        f"ids and mask are whole numbers (torch.long), not {ids.dtype} and {mask.dtype}",
    )
    expect(
        ids[0].tolist() != [11, 12, 13, 0, 0],
        "this is padding on the right: the next token would follow the padding",
    )
    expect(
        ids.tolist() == [[0, 0, 11, 12, 13], [21, 22, 23, 24, 25], [0, 0, 0, 31, 32]],
        "the row's own tokens stand at its end, in their order, behind the padding",
    )
    expect(
        mask.tolist() != [[1] * 5] * 3,
        "the mask is 1 everywhere: the model would read the padding as text",
    )
    expect(
        mask.tolist() != [[1, 1, 0, 0, 0], [0] * 5, [1, 1, 1, 0, 0]],
        "the mask is the wrong way round: 1 is where the prompt is",
    )
    expect(
        mask.tolist() == [[0, 0, 1, 1, 1], [1] * 5, [0, 0, 0, 1, 1]],
        "the mask is 0 for the padding in front of each row, and 1 for the row",
    )
    _, mask = answer([[7, 0, 8], [5]], 0)
    expect(
        mask.tolist() == [[1, 1, 1], [0, 0, 1]],
        "a prompt may hold the pad token itself: lengths say what is padding, not values",
    )


@exercise("01.5", passed="a deaf model's change is zero, and a hearing one's is not")
def listening_change(answer: Change) -> None:
    """Mean of the absolute changes over all choices of all questions."""
    heard = [torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -2.0, -1.0, -2.5])]
    silent = [torch.tensor([-2.0, -2.0]), torch.tensor([-2.0, -2.0, -3.0, -2.5])]
    got = answer(heard, silent)
    if isinstance(got, torch.Tensor):
        expect(got.numel() == 1, "one number for all questions is wanted")
        got = got.item()
    expect(
        abs(answer(heard, heard)) < 1e-9,
        "the same scores with clip and silence are a change of zero",
    )
    # Changes: +1, -1, 0, 0, +2, 0. Their mean is 1/3, of their absolute values 2/3.
    expect(
        abs(got - 2 / 6) > 1e-4 and abs(got + 2 / 6) > 1e-4,
        "rises and falls cancel here: the absolute value comes before the mean",
    )
    expect(
        abs(got - 3 / 4) > 1e-4,
        "this is the mean of the questions' means: every choice counts once, also where "
        "questions have two choices and four",
    )
    expect(abs(got - 4) > 1e-4, "this is the sum: more questions would look like better hearing")
    # The mean of the squares is 1, and so is its root.
    expect(
        abs(got - 1) > 1e-4,
        "the changes are squared here: their size is wanted, in nats",
    )
    expect(abs(got - 2) > 1e-4, "this is the largest change: one odd choice would decide alone")
    expect(abs(got - 4 / 6) < 1e-4, f"2/3 is wanted for the check's example, not {got:.4f}")
