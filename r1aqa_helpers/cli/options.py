"""Options that several commands take, each defined once, and how commands print results."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.utils.untrusted import plain_lines

#: Settings of every group of commands.
GROUP: dict[str, Any] = {"no_args_is_help": True, "rich_markup_mode": None}
RUNS = Path("runs")

_FORMATS = ".jsonl (AVQA lines) or .json (MMAU)"

ProfileName = Annotated[
    str | None, typer.Option(help=f"One of {', '.join(PROFILES)}; by default this machine's.")
]
Model = Annotated[str, typer.Option(help="Folder of a Qwen2-Audio, or its Hugging Face Hub name.")]
OtherModel = Annotated[
    str | None, typer.Option(help="Folder or Hub name of a Qwen2-Audio, in place of the default.")
]
Base = Annotated[
    str | None, typer.Option(help="Base model of an adapter; by default the one it names.")
]
LoadAs = Annotated[
    str | None, typer.Option("--profile", help="Load as this profile does, such as t4: in 4 bits.")
]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="Number format: float32, bfloat16 or float16. On a CPU bfloat16 takes half of the "
        "default's memory, for 7B 17 of 34 GB, and is slow."
    ),
]
Questions = Annotated[Path, typer.Option(help=f"Questions: {_FORMATS}.")]
TestQuestions = Annotated[
    Path | None, typer.Option(help=f"Labelled questions, in place of the default ones: {_FORMATS}.")
]
TrainQuestions = Annotated[
    Path | None, typer.Option(help="Labelled training questions, in place of the profile's.")
]
AudioDir = Annotated[
    Path | None, typer.Option(help="Folder of the recordings; by default that of the file.")
]
PromptNumber = Annotated[
    int, typer.Option(min=1, max=3, help="The paper's prompt: 1 plain, 2 answer tags, 3 think.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Minutes = Annotated[
    float | None, typer.Option(min=0, help="Stop after so many minutes; the same command resumes.")
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        help="Address of an OpenAI-compatible server to ask in place of a local model; the model "
        "is then named as the server names it."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def echo(text: str) -> None:
    """Print lines of a result; see `plain_lines`."""
    typer.echo(plain_lines(text))


def say(text: str) -> None:
    """Print progress to stderr, apart from the result."""
    typer.echo(plain_lines(text), err=True)


def echo_json(result: Any) -> None:
    """Print one line of JSON, in ASCII: it holds what no terminal should get otherwise."""
    typer.echo(json.dumps(result, allow_nan=False))


def echo_result(result: Any, as_json: bool, text: str) -> None:
    """Print the result as JSON, or as text."""
    if as_json:
        echo_json(result)
    else:
        echo(text)
