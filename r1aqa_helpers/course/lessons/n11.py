"""What notebook 11 shows: case cards of failures, the failures themselves, broken runs.

The cards' words stand in ``data/course/failure_cases.json``, the runs in ``broken_runs.json``
beside it, which ``scripts/record_broken_runs.py`` makes.
"""

import html
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, shown
from r1aqa_helpers.utils.paths import DATA

CASES = DATA / "course" / "failure_cases.json"
KEPT = DATA / "course" / "broken_runs.json"
#: Steps of each kept run.
STEPS = 12
_LEFT = ' style="text-align:left;vertical-align:top"'


@dataclass(frozen=True)
class Case:
    """One failure: what one sees, what it is taken for, what distinguishes it, what fixes it."""

    number: int
    area: str
    title: str
    voice: str  #: loud, late or silent: does it raise, when it is too late, or never
    symptom: str
    looks_like: str
    test: str
    fix: str
    sources: tuple[tuple[str, str], ...]  #: where it happened: words and address

    def rows(self) -> list[tuple[str, str]]:
        """The card's lines: a label and its text."""
        return [
            ("symptom", self.symptom),
            ("looks like", self.looks_like),
            ("test", self.test),
            ("mend", self.fix),
        ]


def cases() -> list[Case]:
    """All cases, by number.

    Raises:
        UserError: the file is damaged.
    """
    try:
        return [
            Case(**{**row, "number": number, "sources": tuple(map(tuple, row["sources"]))})
            for number, row in enumerate(read_json(CASES)["cases"], 1)
        ]
    except (TypeError, KeyError) as error:
        raise UserError(f"{shown(CASES)}: a case lacks a field ({error})") from error


class CaseTable:
    """Rows under a caption, as text and as HTML; the first cell of each row heads it.

    A cell is a text, a list of texts in order, or a list of (text, address) for links; what
    stands in backticks is code.
    """

    def __init__(
        self, caption: str, rows: Sequence[Sequence[Any]], head: Sequence[str] = ()
    ) -> None:
        self.caption, self.rows, self.head = caption, rows, head

    def __repr__(self) -> str:
        rows = ("; ".join(_plain(cell) for cell in row) for row in self.rows)
        return "\n".join([self.caption, *rows])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col"{_LEFT}>{html.escape(text)}</th>' for text in self.head)
        body = ""
        for first, *rest in self.rows:
            cells = "".join(f"<td{_LEFT}>{_marked(cell)}</td>" for cell in rest)
            body += f'<tr><th scope="row"{_LEFT}>{_marked(first)}</th>{cells}</tr>'
        caption = f'<caption style="text-align:left"><b>{html.escape(self.caption)}</b></caption>'
        top = f"<thead><tr>{head}</tr></thead>" if head else ""
        return f"<table>{caption}{top}<tbody>{body}</tbody></table>"


def _plain(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    return " · ".join(part if isinstance(part, str) else part[0] for part in cell)


def _marked(cell: Any) -> str:
    if isinstance(cell, str):
        pieces = html.escape(cell).split("`")
        return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))
    if all(isinstance(part, str) for part in cell):
        return f'<ol style="margin:0">{"".join(f"<li>{_marked(part)}</li>" for part in cell)}</ol>'
    return " · ".join(f'<a href="{html.escape(url)}">{html.escape(text)}</a>' for text, url in cell)


def card(number: int) -> None:
    """Show the card of a case.

    Raises:
        UserError: there is none of that number.
    """
    known = cases()
    if not 1 <= number <= len(known):
        raise UserError(f"case {number}: there are cases 1 to {len(known)}")
    one = known[number - 1]
    rows: list[Sequence[Any]] = [*one.rows()]
    if one.sources:
        rows.append(("in the wild", list(one.sources)))
    display(CaseTable(f"Exhibit {number} · {one.title} ({one.voice})", rows))


def index() -> None:
    """Show all cases: number, area, title, and whether the failure raises."""
    rows = [(str(one.number), one.area, one.title, one.voice) for one in cases()]
    display(CaseTable("On display", rows, ("exhibit", "hall", "failure", "voice")))


def differential() -> None:
    """Show the table from what one sees to the measurements to take, in order."""
    rows = [(row["see"], row["measure"]) for row in read_json(CASES)["differential"]]
    display(CaseTable("Differential diagnosis", rows, ("you see", "measure, in this order")))


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
    factor: float = 2.0**13,
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
    """What choosing among equals gains where it was chosen, and elsewhere: mean points.

    Each made-up checkpoint answers each question as one of two real systems did, by the toss
    of a coin, so all are equally good by construction. In each round the questions are divided
    into halves; the best checkpoint on the first is measured on both.

    Args:
        first, second: the two systems' verdicts, question by question.

    Returns:
        (gain on the half that chose, gain on the other), above the checkpoints' mean there.
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
    "F": "deaf",
}


def broken_runs() -> dict[str, list[dict[str, Any]]]:
    """The kept runs' rows, by letter. Prints where they come from.

    Raises:
        UserError: the file is damaged, or holds other runs.
    """
    kept = read_json(KEPT)
    runs = kept.get("runs") if isinstance(kept, dict) else None
    if not isinstance(runs, dict) or sorted(runs) != sorted(FAULTS):
        raise UserError(
            f"{shown(KEPT)}: does not hold runs {', '.join(FAULTS)}; make them again by "
            "python scripts/record_broken_runs.py"
        )
    print(
        f"{len(runs)} runs of {STEPS} steps, profile tiny, seed {kept['seed']}, "
        f"made on {kept['date']}, {kept['hardware']}"
    )
    return runs


def run_of(name: str) -> list[dict[str, Any]]:
    """The kept rows of the run with that fault, by its name in `FAULTS`."""
    letters = {fault: letter for letter, fault in FAULTS.items()}
    return read_json(KEPT)["runs"][letters[name]]
