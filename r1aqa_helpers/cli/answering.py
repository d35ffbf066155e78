"""Commands that ask questions and score the answers: evaluate, score, ask, quiz."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from r1aqa_helpers.cli.frame import given
from r1aqa_helpers.cli.options import AudioDir, Base, Model, Prompt, PromptNumber, Questions, Seed
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown
from r1aqa_helpers.profiles import TINY_PROFILE
from r1aqa_helpers.questions import QuestionSet, identify, read_questions
from r1aqa_helpers.run_folder import check_writable

if TYPE_CHECKING:
    from r1aqa_helpers.scoring import Score


def evaluate(
    model: Model,
    questions: Questions,
    out: Annotated[Path, typer.Option("--out", help="Predictions, as MMAU's JSON.")],
    audio_dir: AudioDir = None,
    base: Base = None,
    prompt: PromptNumber = Prompt.answer,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    seed: Seed = 0,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw answers at temperature 1; otherwise greedy.")
    ] = False,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            help="Ask an OpenAI-compatible server that takes input_audio, in place of a local "
            "model: its address. --model is then the server's name for the model.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", min=1, max=256, help="With --endpoint: requests at once."),
    ] = None,
    per_minute: Annotated[
        float | None,
        typer.Option("--requests-per-minute", min=0.01, help="With --endpoint: at most so many."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0.01, help="With --endpoint: seconds for one request."),
    ] = None,
) -> None:
    """Answer a file of questions and, where it has gold answers, score them.

    Answers are kept in a journal beside the predictions; interrupted, the same command goes on.

    A key for --endpoint is taken from R1AQA_API_KEY, or else OPENAI_API_KEY, and from nowhere else.
    """
    at_endpoint = given(concurrency=concurrency, per_minute=per_minute, timeout=timeout)
    if endpoint is None and at_endpoint:
        raise UserError(
            "--concurrency, --requests-per-minute, --timeout: are for --endpoint; give its address"
        )
    if endpoint is not None and (base is not None or batch_size is not None or sample):
        raise UserError(
            "--base, --batch-size, --sample: are for a local model; leave them out with --endpoint"
        )
    asked = read_questions(questions, audio_dir)
    test_set = identify(asked, questions)
    if out.is_dir():
        raise UserError(f"{shown(out)}: is a folder; give --out a file to write")
    check_writable(out.parent)
    from r1aqa_helpers.answering import answer_questions, write_predictions
    from r1aqa_helpers.results import write_about

    journal = out.with_name(out.name + ".journal.jsonl")
    if endpoint is not None:
        from r1aqa_helpers.endpoint import Pace, answer_at_endpoint, find_endpoint

        server = find_endpoint(endpoint, model)
        key = f"with the key from {server.key_variable}" if server.key_variable else "without a key"
        typer.echo(f"asking {server.url} {key}")
        about = {"model": model, "endpoint": server.url}
        predictions = answer_at_endpoint(
            server, asked, prompt=int(prompt.value), pace=Pace(**at_endpoint), journal=journal
        )
    else:
        from r1aqa_helpers.models import listening_check, load

        loaded = load(model, base=base)
        listening_check(loaded, asked)
        about = {"model": model} | given(base=base)
        predictions = answer_questions(
            loaded,
            asked,
            prompt=int(prompt.value),
            batch_size=batch_size,
            sample=sample,
            seed=seed,
            journal=journal,
        )
    write_predictions(out, asked, predictions)
    how = {"prompt": int(prompt.value), "sample": sample, "seed": seed if sample else None}
    write_about(out, test_set, **about, **how)
    typer.echo(f"{len(predictions)} answers in {out}")
    if all(question.answer is not None for question in asked):
        from r1aqa_helpers.scoring import score as score_answers

        _print_score(score_answers(asked, {p.id: p.answer for p in predictions}), test_set)


def score(
    questions: Questions,
    predictions: Annotated[
        Path,
        typer.Option(
            "--predictions",
            help="MMAU's JSON (model_prediction or model_output), or .jsonl with id and response.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Score predictions as MMAU's official script does, with 95 % intervals.

    It says which release of MMAU the questions are, and refuses predictions that `evaluate` made
    for other ones.
    """
    from r1aqa_helpers.results import check_made_for
    from r1aqa_helpers.scoring import read_predictions
    from r1aqa_helpers.scoring import score as score_answers

    asked = read_questions(questions)
    test_set = identify(asked, questions)
    check_made_for(predictions, test_set)
    result = score_answers(asked, read_predictions(predictions))
    if as_json:
        scored = {**result.as_dict(), "test_set": test_set.as_dict()}
        typer.echo(json.dumps(scored, ensure_ascii=False, allow_nan=False))
    else:
        _print_score(result, test_set)


def ask(
    audio: Annotated[Path, typer.Option("--audio", help="Any recording.")],
    question: Annotated[str, typer.Option("--question", help="What to ask about it.")],
    choices: Annotated[
        list[str], typer.Option("--choices", help="Two or more: --choices A B C D.")
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="Folder of a Qwen2-Audio, or its Hugging Face Hub name.",
            show_default="the tiny model",
        ),
    ] = TINY_PROFILE.model,
    prompt: PromptNumber = Prompt.answer,
    base: Base = None,
) -> None:
    """Ask about one recording."""
    from r1aqa_helpers.audio import load_audio

    if len(choices) < 2:
        raise UserError(f"--choices: has {len(choices)}; give two or more")
    wave = load_audio(audio)
    from r1aqa_helpers.answering import answer_one
    from r1aqa_helpers.models import load

    loaded = load(model, base=base)
    prediction, cut = answer_one(loaded, wave, question, choices, int(prompt.value))
    if cut:
        heard = loaded.window_seconds
        typer.echo(
            f"warning: {shown(audio)}: the model hears {heard:g} s, so the first {heard:g} s were"
            f" used and the last {cut:.2f} s cut",
            err=True,
        )
    typer.echo(f"response: {prediction.response}")
    typer.echo(f"answer:   {prediction.answer}")


def quiz(
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            help="Questions: .jsonl (AVQA lines) or .json (MMAU).",
            show_default="tiny-mmau",
        ),
    ] = None,
    audio_dir: AudioDir = None,
) -> None:
    """Hear ten clips and answer: your own row beside the tiny model's.

    It names each recording for you to open. Interrupted, the same command goes on.
    """
    from r1aqa_helpers.course import listening

    if questions is None:
        from r1aqa_helpers.tiny.data import prepare

        questions = prepare().test
        name = "tiny"
    else:
        name = questions.stem
    asked = read_questions(questions, audio_dir)
    chosen = listening.pick(asked, min(listening.LENGTH, len(asked)))
    listening.listen_in_terminal(chosen, listening.answers_file(name), _typed, typer.echo)


def _typed(prompt: str) -> str:
    """A line from the keyboard. Not typer's, which would turn Ctrl-C into another exit code."""
    typer.echo(f"{prompt}: ", nl=False)
    line = sys.stdin.readline()
    if not line:
        raise UserError("the input ended before the last clip; the same command goes on from here")
    return line


def _print_score(result: "Score", test_set: QuestionSet) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "accuracy, %", "95 % CI", "n", box=box.SIMPLE_HEAD)
    groups = {"average": result.overall, **result.tasks, **result.difficulty, **result.sub_category}
    for name, accuracy in groups.items():
        low, high = accuracy.ci95
        table.add_row(
            Text(name), f"{accuracy.percent:.2f}", f"{low:.1f}–{high:.1f}", str(accuracy.n)
        )
    Console().print(table)
    typer.echo(f"questions: {test_set.text}")
    typer.echo(
        f"{result.missing} without a prediction (counted as wrong), "
        f"{result.unparsed} predictions match none of their choices"
    )
