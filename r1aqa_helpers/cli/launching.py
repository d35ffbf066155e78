"""``r1aqa launch-config``: how several GPUs are started together."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

_FOLDER = Path(__file__).resolve().parent.parent / "launch"


class Way(StrEnum):
    """How a model is spread over GPUs."""

    ddp = "ddp"
    zero3 = "zero3"
    fsdp = "fsdp"


def launch_config(
    name: Annotated[
        Way,
        typer.Argument(
            help="ddp: the whole model on each GPU, for LoRA; zero3 (DeepSpeed), fsdp: weights "
            "shared out over the GPUs, for full training."
        ),
    ],
) -> None:
    """Print the place of a configuration for accelerate launch, to train on several GPUs.

    accelerate launch --config_file "$(r1aqa launch-config ddp)" --num_processes 8
    -m r1aqa_helpers train grpo ...
    """
    typer.echo(_FOLDER / f"{name.value}.yaml")
