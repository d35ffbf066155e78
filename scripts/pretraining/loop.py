"""The training loop that all stages share: Muon and AdamW, one cycle, autocast, resumable."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from r1aqa_helpers.utils import io


@dataclass(frozen=True)
class Schedule:
    """``steps`` of ``batch`` clips; the learning rates rise over 5 %, then fall as a cosine.

    ``learning_rate`` is AdamW's; `MUON` times that is Muon's.
    """

    steps: int
    batch: int
    learning_rate: float
    seed: int
    save_every: int = 100


#: Muon's learning rate over AdamW's
MUON = 3.0


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal: an update whose singular values are all about one.

    For the matrices of a transformer's layers (Jordan et al. 2024; its step is scaled to AdamW's
    as in arXiv 2502.16982, section 2.2). torch's own computes it in bfloat16, which a processor
    without instructions for that emulates, for longer than the step itself takes.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        super().__init__(parameters, {"lr": 0.0, "momentum": 0.95, "weight_decay": 0.01})

    @torch.no_grad()
    def step(self) -> None:
        """One update."""
        for group in self.param_groups:
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonal(weight.grad.lerp(momentum, group["momentum"]))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-0.2 * max(weight.shape) ** 0.5 * group["lr"])


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix with singular values near one, by five steps of Newton and Schulz."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x


def _rate(schedule: Schedule, step: int) -> float:
    warm = max(1, schedule.steps // 20)
    if step < warm:
        return schedule.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, schedule.steps - warm)
    return schedule.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def has_bf16() -> bool:
    """Whether the processor has instructions for bfloat16."""
    has = torch.cpu.get_capabilities()  # bf16: of ARM
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def autocast() -> torch.autocast:
    """Matrix products in bfloat16 where the processor has instructions for it, else in float32.

    Without them bfloat16 is emulated, and about eight times slower than float32.
    """
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16())


def run_stage(
    module: nn.Module,
    loss_of: Callable[[np.random.Generator], torch.Tensor],
    schedule: Schedule,
    folder: Path,
    say: Callable[[str], None] = print,
) -> None:
    """Minimise ``loss_of(rng)`` over the module's trainable parameters.

    ``rng`` depends on the seed and the step alone, so that a resumed run draws what an
    uninterrupted one would have drawn. State goes to ``folder/state.pt`` every
    ``save_every`` steps, and training goes on from there.
    """
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    matrices = [p for name, p in named.items() if ".layers." in name and p.ndim == 2]
    others = [p for name, p in named.items() if not (".layers." in name and p.ndim == 2)]
    adamw = torch.optim.AdamW(others, lr=0.0, weight_decay=0.01, betas=(0.9, 0.98))
    optimizers = {Muon(matrices): MUON, adamw: 1.0}  # -> learning rate over the schedule's
    state_file, first = folder / "state.pt", 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        module.load_state_dict(state["module"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        first = state["step"]
    module.train()
    began, recent = time.monotonic(), []
    for step in range(first, schedule.steps):
        for optimizer, factor in optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = factor * _rate(schedule, step)
        rng = np.random.default_rng([schedule.seed, step])
        with autocast():
            loss = loss_of(rng)
        loss.backward()
        nn.utils.clip_grad_norm_(named.values(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        recent.append(loss.item())
        done = step + 1
        if done % 25 == 0 or done == schedule.steps:
            pace = (time.monotonic() - began) / (done - first)
            left = pace * (schedule.steps - done) / 60
            mean = float(np.mean(recent[-25:]))
            entry = {"step": done, "loss": round(mean, 4), "pace": round(pace, 3)}
            io.append_jsonl(folder / "log.jsonl", entry)
            say(f"{folder.name} {done}/{schedule.steps} loss {mean:.4f}  {pace:.2f} s/step, "
                f"{left:.1f} min left")  # fmt: skip
        if done % schedule.save_every == 0 or done == schedule.steps:
            state = {
                "module": module.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "step": done,
            }
            torch.save(state, folder / "state.part")
            (folder / "state.part").replace(state_file)
    module.eval()
