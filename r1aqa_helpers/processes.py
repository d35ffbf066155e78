"""Several processes that work on one run together, as ``accelerate launch`` starts them.

Each has a device of its own. One of them, the main process, writes the run's files and speaks.
"""

import gc
import os
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from accelerate import PartialState

T = TypeVar("T")

#: How long a collective operation of training may take. The main process may be writing tens
#: of gigabytes to a slow disk; one that has died is noticed by the launcher, at once.
TIMEOUT = timedelta(hours=2)
#: The same where the others wait for work of the main process alone, such as an evaluation.
PATIENCE = timedelta(days=30)

_patient: tuple[object, object] | None = None  # the world, and its group that waits so long


def join(device: str | torch.device | None) -> str | torch.device | None:
    """Meet the other processes, and return the device of this one, of the kind of ``device``.

    To be called before anything is loaded: without an index, every process would load its
    model to the first GPU. Alone, ``device`` comes back as it is.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    # Where there is no GPU, accelerate has to be told, or it takes each process for one alone.
    asked = torch.device(device).type if device is not None else None
    on_cpu = asked == "cpu" or not torch.cuda.is_available()
    return PartialState(cpu=on_cpu, timeout=TIMEOUT).device


def leave() -> None:
    """Wait until all have come to their end, and part: one alone would wait for the others."""
    global _patient
    if dist.is_available() and dist.is_initialized():
        wait()
        _patient = None
        gc.collect()  # what a trainer's cycles hold of the group would wait for others at the exit
        dist.destroy_process_group()


def count() -> int:
    """The processes that have joined; 1 where this one is alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process writes the files and speaks; true where it is alone."""
    return count() == 1 or dist.get_rank() == 0


def wait() -> None:
    """Until all have come here, however long that takes."""
    if count() > 1:
        dist.barrier(group=_group())


def in_main(work: Callable[[], T]) -> T:
    """What ``work`` gives in the main process, in all of them; the others wait, however long.

    All must call it. What it raises is raised in all of them.
    """
    if count() == 1:
        return work()
    outcome: list[tuple[T | None, Exception | None]] = [(None, None)]
    if is_main():
        try:
            outcome = [(work(), None)]
        except Exception as error:
            outcome = [(None, error)]
    dist.broadcast_object_list(outcome, src=0, group=_group())
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def _group() -> object:
    """All processes, in a group of their own that waits long, whatever the devices."""
    global _patient
    world = dist.group.WORLD
    if _patient is None or _patient[0] is not world:
        _patient = world, dist.new_group(backend="gloo", timeout=PATIENCE)
    return _patient[1]
