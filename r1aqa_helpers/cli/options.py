"""Options that several commands take."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from r1aqa_helpers.cli.frame import given
from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.hardware import PROFILES, Profile
from r1aqa_helpers.utils.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from r1aqa_helpers.models import LoadedModel

RUNS = Path("runs")


class Prompt(StrEnum):
    """The paper's prompts."""

    plain = "1"
    answer = "2"
    think = "3"


ProfileName = Annotated[
    str | None,
    typer.Option("--profile", help=f"One of {', '.join(PROFILES)}; by default this machine's."),
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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
TestQuestions = Annotated[
    Path | None,
    typer.Option("--questions", help="Labelled questions.", show_default="the profile's test"),
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", min=1, max=256, help="With --endpoint: requests at once."),
]
PerMinute = Annotated[
    float | None,
    typer.Option("--requests-per-minute", min=0.01, help="With --endpoint: at most so many."),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0.01, help="With --endpoint: seconds for one request."),
]


def pace_of(
    endpoint: str | None, concurrency: int | None, per_minute: float | None, timeout: float | None
) -> dict[str, Any]:
    """Those that were given, for ``endpoint.Pace``.

    Raises:
        UserError: there are some, and no endpoint.
    """
    pace = given(concurrency=concurrency, per_minute=per_minute, timeout=timeout)
    if endpoint is None and pace:
        raise UserError(
            "--concurrency, --requests-per-minute, --timeout: are for --endpoint; give its address"
        )
    return pace


def labelled_questions(
    command: str, profile: Profile, questions: Path | None, audio_dir: Path | None
) -> tuple[list[AudioQuestion], QuestionSet]:
    """The questions that were named, else the profile's test, and which set they are.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    if profile.tiny_questions and questions is None:
        from r1aqa_helpers.tiny.data import prepare

        questions = prepare().test
    questions = questions or profile.test
    if questions is None:
        raise UserError(f"{command}: give labelled questions, --questions")
    asked = read_questions(questions, audio_dir)
    return asked, identify(asked, questions)


def load_checked(
    profile: Profile | None, model: str | None, base: str | None, asked: "Sequence[AudioQuestion]"
) -> "LoadedModel":
    """The model, as the profile says where there is one, after the hearing check.

    Raises:
        UserError: it cannot be loaded, or ignores the audio.
    """
    from r1aqa_helpers.models import hearing_check, load, load_for

    loaded = load(model, base=base) if profile is None else load_for(profile, model, base)
    hearing_check(loaded, asked)
    return loaded


def say(line: str) -> None:
    """Progress, kept apart from the result."""
    typer.echo(line, err=True)


def echo_result(result: Any, as_json: bool, lines: list[str]) -> None:
    """The result as JSON, or its lines."""
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo("\n".join(lines))
