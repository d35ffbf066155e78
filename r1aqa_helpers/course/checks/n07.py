"""Checks of notebook 07: curves from rollouts, choosing a checkpoint, two defects mended."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from r1aqa_helpers.course.exercise import exercise, expect


@exercise("07.1", passed="a run's curves can be made again from its rollouts alone")
def step_curves(answer: Callable[[Sequence[Mapping[str, Any]]], Any]) -> None:
    """Step to (mean reward, share of dead groups), in the order of the steps."""
    rollouts = [
        {"step": 2, "rewards": [2.0, 2.0, 2.0, 2.0]},
        {"step": 2, "rewards": [1.0, 1.0, 1.0, 1.0]},
        {"step": 1, "rewards": [0.0, 0.0, 0.0, 0.0]},
        {"step": 1, "rewards": [2.0, 0.0, 1.0, 0.0]},
        {"step": 1, "rewards": [1.0, 2.0, 2.0, 0.0]},
        {"step": 1, "rewards": [0.0, 1.0, 0.0, 0.0]},
    ]
    got = answer(rollouts)
    expect(isinstance(got, dict), f"a dict from step to two numbers is wanted, not a {_kind(got)}")
    expect(set(got) == {1, 2}, f"its keys should be the steps 1 and 2, not {sorted(got, key=str)}")
    for pair in got.values():
        expect(
            isinstance(pair, tuple | list) and len(pair) == 2,
            "each step has two numbers: (mean reward, share of dead groups)",
        )
    expect(list(got) == [1, 2], "the steps should come in their order: 1 before 2")
    means = [float(got[step][0]) for step in (1, 2)]
    dead = [float(got[step][1]) for step in (1, 2)]
    expect(
        not (_near(means, [0.25, 1.0]) and _near(dead, [9 / 16, 1.5])),
        "the two numbers are exchanged: the mean reward comes first",
    )
    expect(
        not _near(means, [9.0, 12.0]),
        "these are sums of rewards: divide by the number of answers",
    )
    expect(
        not _near(means, [9 / 4, 12 / 2]),
        "rewards are added up within each group: the mean is over answers",
    )
    expect(
        _near(means, [9 / 16, 1.5]),
        f"step 1 has 16 answers that earn 9 in all, a mean of 0.5625: yours is {means[0]:g}",
    )
    expect(not _near(dead, [1.0, 2.0]), "these are counts: the share of a step's groups is wanted")
    expect(not _near(dead, [25.0, 100.0]), "these are percent: a share goes from 0 to 1")
    expect(
        not _near(dead, [0.25, 0.0]),
        "a group is dead when its rewards are equal, whatever they are: all 2 is dead as well",
    )
    expect(
        not _near(dead, [0.0, 0.5]),
        "a group without a single reward is dead too: all 0 teaches as little as all 2",
    )
    expect(
        not _near(dead, [0.75, 0.0]),
        "this is the share of groups that are alive",
    )
    expect(
        _near(dead, [0.25, 1.0]),
        f"one of step 1's four groups is dead, a share of 0.25: yours is {dead[0]:g}",
    )


@exercise("07.2", passed="as good as the best, as far as can be told, and nearest to the start")
def choose_checkpoint(answer: Callable[[Mapping[int, int], int], Any]) -> None:
    """The earliest step within one standard error of the best, sqrt(p (1 - p) / n)."""
    right = {10: 210, 20: 262, 30: 297, 40: 302, 50: 306, 60: 309, 70: 304}
    got = answer(right, 400)
    expect(not isinstance(got, bool | float) or got == int(got), f"a step is wanted, not {got}")
    expect(got in right, f"one of the steps is wanted, not {got}")
    expect(
        got != 60,
        "step 60 has the highest score; an earlier one cannot be told from it by 400 questions",
    )
    expect(got != 70, "step 70 is merely the last")
    expect(
        got != 10,
        "step 10 is far below the best: the error is a share like p, and shrinks with n",
    )
    expect(
        got != 30,
        "step 30 lies more than one standard error below the best: its width is "
        "sqrt(p (1 - p) / n), about 0.021 here, and 297 of 400 is 0.03 below",
    )
    expect(got != 50, "step 50 qualifies, but an earlier one does, too")
    expect(got == 40, f"step {got} is not the earliest within one standard error of the best")
    shuffled = {70: 304, 40: 302, 60: 309, 50: 306}
    expect(
        answer(shuffled, 400) == 40,
        "the dict need not be in the order of the steps: yours took the first that it met",
    )
    expect(
        answer({10: 2100, 20: 3020, 30: 3090}, 4000) == 30,
        "with ten times the questions the error is smaller: yours does not follow n",
    )


@exercise("07.3", passed="every answer is scored with the clip of its own question")
def repeat_for_groups(answer: Callable[[torch.Tensor, torch.Tensor, int], Any]) -> None:
    """(features, masks), each row so many times, next to one another."""
    features = torch.arange(6.0).view(3, 2)
    masks = torch.tensor([[1, 1], [1, 0], [0, 0]])
    got = answer(features, masks, 4)
    expect(
        isinstance(got, tuple | list) and len(got) == 2,
        "two tensors are wanted: return features, masks",
    )
    for name, tensor, wide in (("features", got[0], 2), ("masks", got[1], 2)):
        expect(isinstance(tensor, torch.Tensor), f"{name}: a tensor is wanted")
        expect(
            tensor.shape == (12, wide),
            f"{name}: three rows, four times each, are (12, 2), not {tuple(tensor.shape)}",
        )
    rows = torch.arange(3)
    own, turns = rows.repeat_interleave(4), rows.repeat(4)
    clip = [torch.equal(got[0], features[order]) for order in (own, turns)]
    mask = [torch.equal(got[1], masks[order]) for order in (own, turns)]
    expect(
        not (clip[1] and mask[0]),
        "this is the published line: row 1 answers question 0 and is scored with clip 1",
    )
    expect(
        not (clip[0] and mask[1]),
        "now the masks are out of step: row 1 has clip 0 and the mask of clip 1",
    )
    expect(
        not (clip[1] and mask[1]),
        "clips and masks agree, but not with the answers: those of question 0 are rows 0 to 3",
    )
    expect(clip[0], "the features' rows are not those of questions 0, 0, 0, 0, 1, 1, …")
    expect(mask[0], "the masks' rows are not those of questions 0, 0, 0, 0, 1, 1, …")


class _Model:
    """Answers any prompt with two tokens, 7 and 8, and notes what it was given."""

    def __init__(self) -> None:
        self.given: list[torch.Tensor] = []

    def __call__(self, prompt: torch.Tensor) -> torch.Tensor:
        self.given.append(prompt)
        return torch.cat([prompt, prompt.new_tensor([[7, 8]])], dim=1)


@exercise("07.4", passed="what does not fit is refused, and what fits is left whole")
def completion(answer: Callable[[Any, torch.Tensor, int], Any]) -> None:
    """The generated tokens alone; ValueError for a prompt over the limit."""
    short, long = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 2, 3, 4, 5, 6]])
    said = torch.tensor([[7, 8]])

    def tried(prompt: torch.Tensor) -> tuple[Any, _Model, Exception | None]:
        model = _Model()
        try:
            return answer(model, prompt, 4), model, None
        except ValueError as error:
            return None, model, error

    got, model, error = tried(short)
    expect(error is None, "a prompt of 3 tokens fits into 4, and was refused")
    expect(isinstance(got, torch.Tensor), f"a tensor of tokens is wanted, not {_kind(got)}")
    expect(
        not torch.equal(got, torch.cat([short, said], dim=1)),
        "prompt and answer came back together: the answer begins after the prompt's own length",
    )
    expect(
        got.shape[1] != 1,
        "the answer lost its beginning: cut at the prompt's own length, not at the limit",
    )
    expect(torch.equal(got, said), f"the answer is [[7, 8]], not {got.tolist()}")
    got, model, error = tried(long)
    if error is None:
        cut = bool(model.given) and model.given[-1].shape[1] < 6
        expect(
            not cut,
            "the prompt was cut before generating: what is cut away may be the clip itself",
        )
        expect(
            not (isinstance(got, torch.Tensor) and torch.equal(got, said)),
            "a prompt of 6 tokens passed a limit of 4: too long has to be an error",
        )
        expect(
            not isinstance(got, torch.Tensor) or got.shape[1] <= 2,
            "this is the published way: of the prompt, tokens 5 and 6 are taken for an answer",
        )
        expect(False, "a prompt that is too long should raise a ValueError, not return something")
    expect(not model.given, "refuse before generating: the answer to a long prompt costs the most")
    text = str(error)
    expect("6" in text and "4" in text, "let the error say both numbers: 6 tokens, and 4 allowed")
    got, _, error = tried(torch.tensor([[1, 2, 3, 4]]))
    expect(error is None, "a prompt of exactly 4 tokens fits into 4, and was refused")
    expect(torch.equal(got, said), "for a prompt as long as the limit the answer is wrong")


def _kind(thing: Any) -> str:
    return type(thing).__name__


def _near(got: Sequence[float], wanted: Sequence[float]) -> bool:
    return all(abs(a - b) < 1e-6 for a, b in zip(got, wanted, strict=True))
