"""Count the FLOPs of a Qwen2-Audio by `r1aqa_helpers.hardware.flops`, and time matrix products.

Ways to perform one update:

==========  =================================================================================
published   R1-AQA's trainer: every answer has a row of its own, clips are encoded on the whole
            window for each row and each pass, logits are made at every position
plain       the shipped trainer without sharing: clips on the frames that exist, logits at the
            answers only
shared      the shipped trainer: each group's clip and prompt once
==========  =================================================================================

With LoRA the audio encoder is frozen and the reference is the model without the adapter; the
adapter's own products (under 1 %) are not counted.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from common import parser, timed, write_result
from transformers import Qwen2AudioConfig

from r1aqa_helpers.hardware.flops import (
    WAYS,
    Group,
    cache_bytes_per_token,
    config_7b,
    decoder_flops,
    encoder_flops,
    group_flops,
    parameters,
    tiny_config,
    window_frames,
)

#: What the last line compares: R1-AQA's run with this project's on one GPU.
FIGURES = ("published full", "shared lora")


def matrix_rate(device: str | torch.device | None = None, runs: int = 5) -> float:
    """FLOPs per second of a square matrix product on random numbers, the median of ``runs``.

    On a GPU in bfloat16 of 8192, a hundred in a row; on a CPU in float32 of 1024.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    gpu = device.type == "cuda"
    size, times, dtype = (8192, 100, torch.bfloat16) if gpu else (1024, 4, torch.float32)
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(left)

    def work() -> None:
        for _ in range(times):
            torch.mm(left, right, out=out)

    work()
    return times * 2 * size**3 / statistics.median([timed(work) for _ in range(runs)])


#: Name, configuration, group. A clip of 10 s makes 250 tokens; the tiny window is 4 s.
CASES = (
    ("avqa", "7b", Group(size=8, audio=250, text=80, answer=9)),
    ("30 s", "7b", Group(size=8, audio=750, text=80, answer=20)),
    ("tiny", "tiny", Group(size=8, audio=100, text=80, answer=9)),
)


def counts(config: Qwen2AudioConfig, group: Group) -> dict[str, Any]:
    """Everything above for one group, as JSON has it."""
    return {
        "group": asdict(group),
        # Those that differ, and those repeated where each answer has a row of its own.
        "tokens": {
            "unique": group.prompt + group.size * group.answer,
            "repeated": (group.size - 1) * group.prompt,
        },
        "encoder_window": encoder_flops(config, window_frames(config)),
        "encoder_frames": encoder_flops(config, group.frames),
        "decoder_forward": decoder_flops(config, group.prompt + group.answer),
        "flops": {
            f"{way} {'lora' if lora else 'full'}": group_flops(config, group, way, lora)
            for way in WAYS
            for lora in (False, True)
        },
    }


def table(name: str, model: str, values: Mapping[str, Any]) -> str:
    """The counts of one case in lines: stages down, ways across."""
    large = model == "7b"
    unit, scale = ("TFLOP", 1e12) if large else ("GFLOP", 1e9)
    group, tokens, flops = values["group"], values["tokens"], values["flops"]
    lines = [
        f"{name} ({model}): {group['size']} answers of {group['answer']} tokens to "
        f"{group['audio']} + {group['text']} tokens; "
        f"{tokens['unique']} tokens differ, {tokens['repeated']} are repeated",
        f"  encoder {values['encoder_window'] / scale:.2f} {unit} a window, "
        f"{values['encoder_frames'] / scale:.2f} on the clip's frames; decoder "
        f"{values['decoder_forward'] / scale:.2f} a row",
        f"  {unit:<22}" + "".join(f"{way:>16}" for way in flops),
    ]
    for stage in next(iter(flops.values())):
        row = "".join(f"{flops[way][stage] / scale:>16.2f}" for way in flops)
        lines.append(f"  {stage:<22}{row}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, measure this machine's rate, and write both as JSON."""
    options = parser(__doc__).parse_args(arguments)
    configs = {"7b": config_7b(), "tiny": tiny_config()}
    for name, config in configs.items():
        parts = ", ".join(f"{part} {n:,}" for part, n in parameters(config).items())
        print(f"{name} parameters: {parts}")
    cases = {name: counts(configs[model], group) for name, model, group in CASES}
    for name, model, _ in CASES:
        print("\n" + table(name, model, cases[name]))
    rate = matrix_rate(runs=options.runs)
    print(f"\nmatrix products on this machine: {rate / 1e9:,.0f} GFLOP/s")
    write_result(
        "flops",
        {
            "parameters": {name: parameters(config) for name, config in configs.items()},
            "cache_bytes_per_token": {n: cache_bytes_per_token(c) for n, c in configs.items()},
            "cases": cases,
            "matrix_flops_per_second": rate,
        },
        n=options.runs,
        folder=options.out,
    )
    figures = []
    for name in ("avqa", "30 s"):
        full, lora = (cases[name]["flops"][way]["total"] for way in FIGURES)
        figures.append(f"{name} group {full / 1e12:.0f} -> {lora / 1e12:.0f} TFLOP")
    print(", ".join(figures))


if __name__ == "__main__":
    sys.exit(main())
