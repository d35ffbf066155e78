"""Training that goes on, with the same result, where a forward batch does not fit into memory."""

import gc
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import Trainer

from r1aqa_helpers.training import distributed
from r1aqa_helpers.utils.errors import UserError


class HalvesBatches(Trainer):
    """A mixin for trainers: after a GPU was out of memory, forward batches go through in halves.

    Once, with a warning. The step's passes are made again from what was sampled for them, so that
    its gradient is that of whole batches, to rounding. Rollouts that do not fit are sampled in
    halves, which draws other answers. Of several processes none does it alone: the others would
    wait for it.
    """

    halved: frozenset[str] = frozenset()
    """What goes through in halves: "batch" (the passes that train), "rollout" (sampling)."""
    forget_passes: Callable[[int], None]
    """The trainer's own: undo what else it counts of that many passes, which are made again."""
    _step_of_passes = -1
    _passes: Sequence[dict[str, Any]] = ()
    _again: dict[str, Any] | None = None

    def training_step(self, model: nn.Module, inputs: Any, *arguments: Any) -> torch.Tensor:
        """A forward and backward pass: Trainer's, or, out of memory, the step's passes again."""
        if self._step_of_passes != self.state.global_step:
            self._step_of_passes, self._passes = self.state.global_step, []
        before = len(self._passes)
        try:
            return super().training_step(model, inputs, *arguments)
        except torch.OutOfMemoryError:
            pass  # and let go of the error, whose frames hold the batch's tensors
        passes = self._passes
        if len(passes) > before and _rows(passes[-1]) < 2:
            raise self._too_large("and is of one row")
        self.halve("batch")
        if len(passes) == before:  # in preparing the pass: no gradient is touched yet
            return self.training_step(model, inputs, *arguments)
        model.zero_grad(set_to_none=True)
        self.forget_passes(before)
        try:
            for self._again in passes:
                loss = self.training_step(model, inputs, *arguments)
        finally:
            self._again = None
        return loss

    def _prepare_inputs(self, inputs: Any) -> dict[str, Any]:
        if self._again is not None:
            return self._again
        prepared = super()._prepare_inputs(inputs)
        self._passes = [*self._passes, prepared]
        return prepared

    def halve(self, what: str) -> None:
        """From here on halves; raises ``UserError`` where they do not help."""
        if what in self.halved:
            raise self._too_large("not even in halves", what)
        if distributed.count() > 1:
            raise self._too_large("and several processes go on together or not at all", what)
        self.halved |= {what}
        gc.collect()
        torch.cuda.empty_cache()
        result = "with the same result" if what == "batch" else "with other draws"
        warnings.warn(
            f"step {self.state.global_step + 1}: a {what} does not fit into the GPU's memory: it "
            f"goes on in halves, {result}",
            stacklevel=3,
        )

    def in_halves(
        self, count: int, loss: Callable[[slice], torch.Tensor], share: Callable[[slice], Any]
    ) -> torch.Tensor:
        """The loss of ``count`` rows, of which memory holds half at a time.

        ``share`` says how much each half counts. The halves' inner values are dropped, and computed
        again in the backward pass.
        """
        whole = slice(0, count)
        if "batch" not in self.halved or count < 2:
            return loss(whole)
        halves = slice(0, count // 2), slice(count // 2, count)
        if not torch.is_grad_enabled():
            return sum(share(half) * loss(half) for half in halves)
        return sum(share(half) * checkpoint(loss, half, use_reentrant=False) for half in halves)

    def _too_large(self, why: str, what: str = "batch") -> UserError:
        return UserError(
            f"step {self.state.global_step + 1}: a {what} does not fit into the GPU's memory, {why}"
            "; take a profile for a smaller GPU (--profile), or leave out the longest recordings; "
            "finished steps are kept up to the last checkpoint"
        )


def _rows(prepared: dict[str, Any]) -> int:
    return max(len(v) for v in prepared.values() if isinstance(v, torch.Tensor) and v.dim())
