"""What notebook 11 shows: case cards of failures, the failures themselves, broken runs.

The cards' words stand in ``data/course/failure_cases.json``, the runs in ``broken_runs.json``
beside it, which ``scripts/record_broken_runs.py`` makes.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from IPython.display import display
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import Qwen2AudioForConditionalGeneration

from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

CASES = DATA / "course" / "failure_cases.json"
KEPT = DATA / "course" / "broken_runs.json"
#: Steps of each kept run.
STEPS = 12


def cases() -> list[dict[str, Any]]:
    """All cases in order: what one sees, what it is taken for, what distinguishes and fixes it.

    Of each: area, title, voice (loud, late or silent: does it raise, when it is too late, or
    never), symptom, looks_like, test, fix, and sources as pairs of words and address.
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
        rows.append(("in the wild", links))
    _show(f"Case {number} · {one['title']} ({one['voice']})", rows, ("", ""))


def index() -> None:
    """Show all cases: number, area, title, and whether the failure raises."""
    rows = [(str(n), c["area"], c["title"], c["voice"]) for n, c in enumerate(cases(), 1)]
    _show("All cases", rows, ("case", "area", "failure", "voice"))


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


class SmallCard(TorchDispatchMode):
    """Counts the memory of every tensor that is made within, as a GPU's allocator does.

    Attributes:
        live: bytes that are held now.
        peak: the most that were held at once.
    """

    def __init__(self, limit: float | None = None) -> None:
        """With a ``limit`` in bytes, what goes beyond it raises ``torch.OutOfMemoryError``."""
        super().__init__()
        self.limit, self.live, self.peak = limit, 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = {_place(value) for value in tree_leaves((args, kwargs))}
        result = func(*args, **kwargs)
        for value in tree_leaves(result):
            # A view of what was there, such as a transposed weight, takes no memory.
            if isinstance(value, torch.Tensor) and _place(value) not in given:
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        weakref.finalize(storage, self._freed, key, size)
        self.live += size
        self.peak = max(self.peak, self.live)
        if self.limit is not None and self.live > self.limit:
            raise torch.OutOfMemoryError(
                f"small card: out of memory, all {self.limit / 1e6:.0f} MB are taken"
            )

    def _freed(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _place(value: Any) -> int | None:
    return value.untyped_storage()._cdata if isinstance(value, torch.Tensor) else None


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


def likeliest_share(
    loaded: LoadedModel, inputs: Mapping[str, torch.Tensor], answers: torch.Tensor
) -> float:
    """Of the tokens that were written, the share that were the model's likeliest, 0 to 1.

    1 for greedy decoding, by its definition; less for any other.

    Args:
        inputs: the prompts, padded on the left.
        answers: (rows, tokens) that `generate` wrote behind them; pad tokens are left out.
    """
    counted = answers != loaded.pad_id
    likeliest = _answer_logits(loaded, inputs, answers, counted.long()).argmax(-1)
    return ((likeliest == answers) & counted).sum().item() / counted.sum().item()


def best_of_equals(
    first: Sequence[bool],
    second: Sequence[bool],
    checkpoints: int = 10,
    rounds: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The mean lead of the best of equals, in points: where it was chosen, and elsewhere.

    Each made-up checkpoint answers each question as one of two real systems did, by the toss
    of a coin, so all are equally good by construction. In each round the questions are divided
    into halves; the best checkpoint on the first is measured on both.

    Args:
        first, second: the two systems' verdicts, question by question.

    Returns:
        (lead on the half that chose, lead on the other), above the checkpoints' mean there.
    """
    rng = np.random.default_rng(seed)
    pair = np.stack([np.asarray(first, float), np.asarray(second, float)])
    n = pair.shape[1]
    above = np.zeros(2)
    for _ in range(rounds):
        tossed = rng.integers(0, 2, size=(checkpoints, n))
        verdicts = np.where(tossed == 0, pair[0], pair[1])
        half = rng.permutation(n)
        scores = [100 * verdicts[:, part].mean(1) for part in (half[: n // 2], half[n // 2 :])]
        best = scores[0].argmax()
        above += [score[best] - score.mean() for score in scores]
    return tuple((above / rounds).tolist())


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


def run_of(name: str) -> list[dict[str, Any]]:
    """The kept rows of the run with that fault, by its name in `FAULTS`."""
    letters = {fault: letter for letter, fault in FAULTS.items()}
    return read_json(KEPT)["runs"][letters[name]]
