"""Checks of notebook 07: curves from rollouts, choosing a checkpoint, two defects fixed."""

from typing import Any

import torch

from r1aqa_helpers.course.checks.common import Answer, explain, of_kind, parts, tensor, try_cases
from r1aqa_helpers.course.exercise import exercise, expect


@exercise("07.1", passed="a run's curves can be made again from its rollouts alone")
def step_curves(answer: Answer) -> None:
    """Step to (mean reward, share of zero-variance groups), in the order of the steps."""
    groups = {2: ([2.0] * 4, [1.0] * 4)}
    groups[1] = ([0.0] * 4, [2.0, 0.0, 1.0, 0.0], [1.0, 2.0, 2.0, 0.0], [0.0, 1.0, 0.0, 0.0])
    rollouts = [{"step": step, "rewards": list(r)} for step, all in groups.items() for r in all]
    got = of_kind(answer(rollouts), dict, "a dict from step to two numbers")
    expect(set(got) == {1, 2}, f"its keys should be the steps 1 and 2, not {sorted(got, key=str)}")
    for pair in got.values():
        parts(pair, "mean reward and share of zero-variance groups")
    expect(list(got) == [1, 2], "the steps should come in their order: 1 before 2")
    means, flat = (tuple(float(got[step][i]) for step in (1, 2)) for i in (0, 1))
    mistakes = {
        "the two numbers are exchanged: the mean reward comes first": (0.25, 1.0),
    }
    told = f"step 1 has 16 answers that earn 9 in all, a mean of 0.5625: yours is {means[0]:g}"
    explain(means, (9 / 16, 1.5), mistakes, told)
    mistakes = {
        "these are counts: the share of a step's groups is wanted": (1.0, 2.0),
        "these are percent: a share goes from 0 to 1": (25.0, 100.0),
        "equal rewards have no variance, and all 2 are equal as well": (0.25, 0.0),
    }
    told = f"one of step 1's four groups has no variance, a share of 0.25: yours is {flat[0]:g}"
    explain(flat, (0.25, 1.0), mistakes, told)


@exercise("07.2", passed="as good as the best within the error, and the earliest such checkpoint")
def choose_checkpoint(answer: Answer) -> None:
    """The earliest step within one standard error of the best, sqrt(p (1 - p) / n)."""
    correct = {10: 210, 20: 262, 30: 297, 40: 302, 50: 306, 60: 309, 70: 304}
    got = answer(correct, 400)
    expect(got in correct, f"one of the steps is wanted, not {got}")
    mistakes = {
        "step 60 has the highest score; an earlier one is within its error": 60,
        "step 10 is far below the best: the error is a share, and shrinks with n": 10,
    }
    told = f"step {got} is not the earliest within one standard error of the best"
    explain(got, 40, mistakes, told)
    shuffled = {70: 304, 40: 302, 60: 309, 50: 306}
    many = {10: 2100, 20: 3020, 30: 3090}
    cases = {
        "the dict need not be in order: yours took the first that it met": ((shuffled, 400), 40),
        "more questions, smaller error: yours does not follow n": ((many, 4000), 30),
    }
    try_cases(answer, cases)


@exercise("07.3", passed="every answer is scored with the clip of its own question")
def repeat_for_groups(answer: Answer) -> None:
    """(features, masks), each row so many times, next to one another."""
    features = torch.arange(6.0).view(3, 2)
    masks = torch.tensor([[1, 1], [1, 0], [0, 0]])
    got = parts(answer(features, masks, 4), "features, masks")
    for found in got:
        tensor(found, (12, 2), "three rows, four times each")
    rows = torch.arange(3)
    own, turns = rows.repeat_interleave(4), rows.repeat(4)
    clip = [torch.equal(got[0], features[order]) for order in (own, turns)]
    mask = [torch.equal(got[1], masks[order]) for order in (own, turns)]
    published = clip[1] and mask[0]
    expect(not published, "this is the published line: row 1, of question 0, gets clip 1")
    expect(not (clip[0] and mask[1]), "now the masks are out of step: row 1 has that of clip 1")
    expect(clip[0], "the features' rows are not those of questions 0, 0, 0, 0, 1, 1, …")
    expect(mask[0], "the masks' rows are not those of questions 0, 0, 0, 0, 1, 1, …")


class _Model:
    """Answers any prompt with two tokens, 7 and 8, and notes how long the prompts were."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, prompt: torch.Tensor) -> torch.Tensor:
        self.given.append(prompt.shape[1])
        return torch.cat([prompt, prompt.new_tensor([[7, 8]])], dim=1)


@exercise("07.4", passed="prompts that do not fit are rejected, the others are unchanged")
def completion(answer: Answer) -> None:
    """The generated tokens alone; ValueError for a prompt over the limit."""
    said = torch.tensor([[7, 8]])

    def tried(length: int) -> tuple[Any, list[int], Exception | None]:
        model = _Model()
        try:
            return answer(model, torch.arange(1, length + 1)[None], 4), model.given, None
        except ValueError as error:
            return None, model.given, error

    got, _, error = tried(3)
    expect(error is None, "a prompt of 3 tokens fits into 4, and was refused")
    of_kind(got, torch.Tensor, "a tensor of tokens")
    mistakes = {
        "prompt and answer came back together: cut the prompt off": [[1, 2, 3, 7, 8]],
    }
    explain(got, said, mistakes, f"the answer is [[7, 8]], not {got.tolist()}")
    got, given, error = tried(6)
    if error is None:
        mistakes = {
            "a prompt of 6 tokens passed a limit of 4: too long has to be an error": said,
            "this is the published way: prompt tokens 5 and 6 count as an answer": [[5, 6, 7, 8]],
        }
        explain(got, [], mistakes, "a prompt that is too long should raise a ValueError")
    expect(not given, "refuse before generating: the answer to a long prompt costs the most")
    both = "6" in str(error) and "4" in str(error)
    expect(both, "let the error say both numbers: 6 tokens, and 4 allowed")
    got, _, error = tried(4)
    expect(error is None, "a prompt of exactly 4 tokens fits into 4, and was refused")
    explain(got, said, {}, "for a prompt as long as the limit the answer is wrong")
