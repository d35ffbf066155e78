"""What notebook 10 shows: case cards of failures, the failures themselves, broken runs.

The cards' words stand in ``data/course/failure_cases.json``, the runs in ``broken_runs.json``
beside it, which ``scripts/record_broken_runs.py`` makes.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from IPython.display import display
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, Qwen2AudioForConditionalGeneration

from r1aqa_helpers.course.lessons.n05 import (
    Group,
    completion_logprobs,
    row_logits,
    sample_groups,
    tiny_model,
)
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import clip_to_window, load_audio
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.evaluation.local import Prediction, answer_questions
from r1aqa_helpers.models import LoadedModel, chat_text
from r1aqa_helpers.training.grpo.objective import group_advantages, grpo_loss
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

CASES = DATA / "course" / "failure_cases.json"
KEPT = DATA / "course" / "broken_runs.json"
#: Steps of each kept run.
STEPS = 12


def cases() -> list[dict[str, Any]]:
    """All cases in order: what one sees, what it looks like, what distinguishes and fixes it.

    Of each: title, symptom, looks_like, test, fix, and sources as pairs of words and address.
    """
    return read_json(CASES)["cases"]


def card(number: int) -> None:
    """Show the card of a case, counted from 1."""
    one = cases()[number - 1]
    rows = [
        (name.replace("_", " "), one[name]) for name in ("symptom", "looks_like", "test", "fix")
    ]
    if one["sources"]:
        links = " · ".join(f"[{text}]({address})" for text, address in one["sources"])
        rows.append(("seen at", links))
    _show(f"Case {number} · {one['title']}", rows, ("", ""))


def differential() -> None:
    """Show the table from what one sees to the measurements to take, in order."""
    rows = [
        (row["see"], "<br>".join(f"{n}. {text}" for n, text in enumerate(row["measure"], 1)))
        for row in read_json(CASES)["differential"]
    ]
    _show("Differential diagnosis", rows, ("you see", "measure, in this order"))


def _show(caption: str, rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """Display cells of Markdown as a table under a caption."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    text = "\n".join([f"**{caption}**", "", *lines])
    plain = "\n".join([caption, *("; ".join(row) for row in rows)])
    display({"text/markdown": text, "text/plain": plain}, raw=True)


def without_projector(loaded: LoadedModel) -> LoadedModel:
    """A copy whose projector has lost its weights, as after a conversion that skipped them."""
    found = copy.deepcopy(loaded)
    found.name = "a copy without projector"
    with torch.no_grad():
        found.model.model.multi_modal_projector.linear.weight.zero_()
    return found


def prompts(
    loaded: LoadedModel, questions: Sequence[AudioQuestion]
) -> tuple[list[str], list[np.ndarray]]:
    """Texts with prompt <2> and clips of some questions, as `models.encode` takes them."""
    texts = [chat_text(loaded, build_prompt(question_text(q), q.choices, 2)) for q in questions]
    waves = [clip_to_window(load_audio(q.audio), loaded.window_seconds)[0] for q in questions]
    return texts, waves


def ask_with_limit(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], prompt: int, limit: int
) -> list[Prediction]:
    """Greedy answers of at most ``limit`` tokens; the usual warning about cut ones is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return answer_questions(loaded, questions, prompt=prompt, max_new_tokens=limit)


def labelled(questions: Sequence[AudioQuestion], shift: int) -> list[AudioQuestion]:
    """The questions with the choice ``shift`` places behind the correct one as their answer.

    1 is what a loader makes of answers that count from 1 where it counts from 0.
    """
    found = []
    for question in questions:
        place = question.choices.index(question.answer or "") + shift
        found.append(replace(question, answer=question.choices[place % len(question.choices)]))
    return found


#: Faults of the trainers that `trainer` makes.
PLANTED = ("none", "sign", "shifted")


def trainer(fault: str) -> Callable[..., float]:
    """Notebook 05's training step with a planted fault, one of `PLANTED`.

    "sign": advantages with the wrong sign. "shifted": the log-probability of token t is read from
    the logits at t, which predict token t + 1.
    """

    def step(
        policy: PreTrainedModel,
        reference: PreTrainedModel,
        optimizer: torch.optim.Optimizer,
        groups: Sequence[Group],
        beta: float = 0.04,
    ) -> float:
        def logprobs(model: PreTrainedModel, group: Group) -> torch.Tensor:
            logits = row_logits(model, group)
            if fault == "shifted":
                logits = logits.roll(1, dims=1)
            return completion_logprobs(logits, group.ids)

        optimizer.zero_grad()
        total = 0.0
        for group in groups:
            logps = logprobs(policy, group)
            with torch.no_grad():
                ref = logprobs(reference, group)
            advantages = group_advantages(group.rewards, len(group.rewards))
            advantages = -advantages if fault == "sign" else advantages
            loss = grpo_loss(logps, logps.detach(), ref, advantages, group.mask, beta)
            (loss / len(groups)).backward()
            total += loss.item() / len(groups)
        optimizer.step()
        return total

    return step


@dataclass(frozen=True)
class Tried:
    """One group before and after a single update.

    Attributes:
        before, after: (G, T), log-probabilities of the answers' tokens.
        mask: (G, T), 1 for an answer's own tokens.
        advantages: (G,).
        promised: how far the objective rises where the update follows its gradient: the learning
            rate times the gradient's squared norm, to first order.
    """

    before: torch.Tensor
    after: torch.Tensor
    mask: torch.Tensor
    advantages: torch.Tensor
    promised: float


def try_step(step: Callable[..., float], question: AudioQuestion, rate: float = 1e-4) -> Tried:
    """Make one small plain-gradient update of the tiny model on one group, and score it again.

    Scoring does not go through ``step``: what is wrong in there does not hide itself.
    """
    policy, reference = tiny_model(), tiny_model()
    torch.manual_seed(0)
    (group,) = sample_groups(policy, [question])
    advantages = group_advantages(group.rewards, len(group.rewards))
    weights = [weight for weight in policy.model.parameters() if weight.requires_grad]
    logps = completion_logprobs(row_logits(policy.model, group), group.ids)
    lengths = group.mask.sum(dim=1)
    objective = (advantages * (logps * group.mask).sum(dim=1) / lengths).mean()
    gradients = torch.autograd.grad(objective, weights, allow_unused=True)
    promised = rate * sum(float(g.square().sum()) for g in gradients if g is not None)
    step(policy.model, reference.model, torch.optim.SGD(weights, lr=rate), [group])
    with torch.no_grad():
        after = completion_logprobs(row_logits(policy.model, group), group.ids)
    return Tried(logps.detach(), after, group.mask, advantages, promised)


def gain(before: torch.Tensor, after: torch.Tensor, mask: torch.Tensor,
         advantages: torch.Tensor) -> float:  # fmt: skip
    """The solution of exercise 10.2."""
    change = ((after - before) * mask).sum(dim=1) / mask.sum(dim=1)
    return (advantages * change).mean().item()


def answer_scores(
    loaded: LoadedModel, inputs: Mapping[str, torch.Tensor], answers: Sequence[str]
) -> torch.Tensor:
    """(rows,): mean log-probability per token of each row's answer, in nats, in one batch.

    Args:
        inputs: prompts with clips, as `models.encode` or a processor makes them.
        answers: one per row; the turn's end is added.
    """
    tokenizer = loaded.processor.tokenizer
    rows = [
        torch.tensor(tokenizer(answer, add_special_tokens=False).input_ids + loaded.eos_ids[:1])
        for answer in answers
    ]
    ids = pad_sequence(rows, batch_first=True, padding_value=loaded.pad_id)
    said = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    logps = _answer_logits(loaded, inputs, ids, said).log_softmax(-1)
    return (logps.gather(2, ids[..., None])[..., 0] * said).sum(1) / said.sum(1)


def _answer_logits(
    loaded: LoadedModel,
    inputs: Mapping[str, torch.Tensor],
    ids: torch.Tensor,
    said: torch.Tensor,
) -> torch.Tensor:
    """(rows, tokens, vocabulary): what the model expects at each place of ``ids`` after a prompt.

    ``said``: (rows, tokens), 0 for padding.
    """
    batch = dict(inputs)
    batch["input_ids"] = torch.cat([inputs["input_ids"], ids], dim=1)
    batch["attention_mask"] = torch.cat([inputs["attention_mask"], said], dim=1)
    with torch.inference_mode():
        return loaded.model(**batch).logits[:, -ids.shape[1] - 1 : -1].float()


def with_large_channel(
    model: Qwen2AudioForConditionalGeneration,
    inputs: Mapping[str, torch.Tensor],
    layer: int = 1,
    factor: float = 2.0**11,
) -> tuple[float, float]:
    """Make one channel within a feed-forward layer large, without changing what comes out.

    What goes into ``up_proj``'s strongest channel is multiplied by ``factor``, what
    ``down_proj`` makes of it divided: the same function, with numbers as large as models of
    billions of parameters have in a few channels (arXiv 2402.17762).

    Args:
        model: in float32; changed in place. A power of two as ``factor`` changes no digit.

    Returns:
        The channel's largest value for these inputs, before and after.
    """
    mlp, seen = model.model.language_model.layers[layer].mlp, []
    with _watched(mlp.down_proj, lambda arguments, output: seen.append(arguments[0].abs())):
        with torch.no_grad():
            model(**inputs)
        largest, channel = seen[0].amax(dim=(0, 1)).max(dim=0)
    with torch.no_grad():
        mlp.up_proj.weight[channel] *= factor
        mlp.down_proj.weight[:, channel] /= factor
    return largest.item(), largest.item() * factor


def first_not_finite(model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> str | None:
    """The name of the module whose output is the first not finite; None: all were finite.

    Innermost first: of a layer and the linear map within it, the map ends first.
    """
    found: list[str] = []

    def look(name: str, _: tuple[Any, ...], output: Any) -> None:
        values = output[0] if isinstance(output, tuple) else output
        if isinstance(values, torch.Tensor) and not values.isfinite().all():
            found.append(name)

    with ExitStack() as hooks, torch.no_grad():
        for name, module in model.named_modules():
            if name:
                hooks.enter_context(_watched(module, partial(look, name)))
        model(**inputs)
    return found[0] if found else None


@contextmanager
def _watched(module: nn.Module, look: Callable[[tuple[Any, ...], Any], None]) -> Iterator[None]:
    """Call ``look`` with the module's arguments and output, each time it is called."""
    hook = module.register_forward_hook(lambda _, arguments, output: look(arguments, output))
    try:
        yield
    finally:
        hook.remove()


#: The faults of the kept runs, by the letter under which a learner meets them.
FAULTS = {
    "A": "cold sampling",
    "B": "healthy",
    "C": "gold in tags",
    "D": "no rate",
    "E": "rate too high",
    "F": "no audio",
}


def broken_runs() -> dict[str, list[dict[str, Any]]]:
    """The kept runs' rows, by letter. Prints where they come from."""
    kept = read_json(KEPT)
    print(
        f"{len(kept['runs'])} runs of {STEPS} steps, profile tiny, seed {kept['seed']}, "
        f"made on {kept['date']}, {kept['hardware']}"
    )
    return kept["runs"]
