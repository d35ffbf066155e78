"""The bytes that tensors take at most while something runs, on any device, CPUs included."""

import gc
import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorMemory(TorchDispatchMode):
    """Counts storages from their first use to their end, as a GPU's allocator would.

    What was there before counts from the beginning, if it is given. A kernel's scratch is not
    seen. Written against PyTorch 2.11's dispatch modes, which are private.
    """

    def __init__(self, before: list[torch.Tensor]) -> None:
        """``before``: tensors that are there and count; others that exist are left out."""
        super().__init__()
        gc.collect()
        self.now = 0
        self._held: dict[int, int] = {}
        for one in gc.get_objects():
            if issubclass(type(one), torch.Tensor):  # without waking objects that load lazily
                self._hold(one, 0)
        for one in before:
            key = one.untyped_storage()._cdata
            if not self._held.get(key):
                self._held[key] = one.untyped_storage().nbytes()
                self.now += self._held[key]
        self.peak = self.now

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run the operation, and see what it made."""
        made = function(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, torch.Tensor):
                self._hold(one, one.untyped_storage().nbytes())
        return made

    def _hold(self, tensor: torch.Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._held:
            return
        self._held[storage._cdata] = size
        self.now += size
        self.peak = max(self.peak, self.now) if hasattr(self, "peak") else self.now
        weakref.finalize(storage, self._release, storage._cdata)

    def _release(self, key: int) -> None:
        self.now -= self._held.pop(key, 0)
