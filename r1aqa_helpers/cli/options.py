"""Options that several commands take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

RUNS = Path("runs")


class Prompt(StrEnum):
    """The paper's prompts."""

    plain = "1"
    answer = "2"
    think = "3"


ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="tiny, t4, l4, a100, h100, h200-full, multi-gpu or mps; by default this machine's.",
    ),
]
Model = Annotated[
    str, typer.Option("--model", help="Folder of a Qwen2-Audio, or its Hugging Face Hub name.")
]
OtherModel = Annotated[
    str | None, typer.Option("--model", help="Another base model than the profile's.")
]
Questions = Annotated[
    Path, typer.Option("--questions", help="Questions: .jsonl (AVQA lines) or .json (MMAU).")
]
Base = Annotated[
    str | None,
    typer.Option("--base", help="Base model of an adapter; by default the one that it names."),
]
AudioDir = Annotated[
    Path | None,
    typer.Option("--audio-dir", help="Folder of the recordings; by default that of the file."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is drawn.")]
PromptNumber = Annotated[
    Prompt, typer.Option("--prompt", help="The paper's prompt: 1 plain, 2 answer tags, 3 think.")
]
