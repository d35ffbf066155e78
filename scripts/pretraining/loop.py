"""The training loop that all stages share: one-cycle AdamW, autocast, resumable."""

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
    """``steps`` of ``batch`` clips; the learning rate rises over 5 %, then falls as a cosine."""

    steps: int
    batch: int
    learning_rate: float
    seed: int
    save_every: int = 100


def _rate(schedule: Schedule, step: int) -> float:
    warm = max(1, schedule.steps // 20)
    if step < warm:
        return schedule.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, schedule.steps - warm)
    return schedule.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def autocast() -> torch.autocast:
    """Matrix products in bfloat16 where the processor has instructions for it, else in float32.

    Without them bfloat16 is emulated, and about eight times slower than float32.
    """
    has = torch.cpu.get_capabilities()  # bf16: of ARM
    fast = any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast)


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
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=0.0, weight_decay=0.01, betas=(0.9, 0.98))
    state_file, first = folder / "state.pt", 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    module.train()
    began, recent = time.monotonic(), []
    for step in range(first, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(schedule, step)
        rng = np.random.default_rng([schedule.seed, step])
        with autocast():
            loss = loss_of(rng)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
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
                "optimizer": optimizer.state_dict(),
                "step": done,
            }
            torch.save(state, folder / "state.part")
            (folder / "state.part").replace(state_file)
    module.eval()
