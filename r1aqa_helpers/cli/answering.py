"""Commands that ask questions and score the answers: evaluate, score, ask, quiz."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from r1aqa_helpers.cli.frame import given
from r1aqa_helpers.cli.options import (
    AsJson,
    AudioDir,
    Base,
    Concurrency,
    Model,
    PerMinute,
    Prompt,
    PromptNumber,
    Questions,
    Seed,
    Timeout,
    load_checked,
    pace_of,
    say,
)
from r1aqa_helpers.data import QuestionSet, identify, read_questions
from r1aqa_helpers.hardware import TINY_PROFILE, pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import shown
from r1aqa_helpers.utils.run_dir import check_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from r1aqa_helpers.scoring import Score


def evaluate(
    model: Model,
    questions: Questions,
    out: Annotated[Path, typer.Option("--out", help="Predictions, as MMAU's JSON.")],
    audio_dir: AudioDir = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="Load and ask as this profile says, such as t4: 4 bits. Otherwise in the "
            "checkpoint's precision.",
        ),
    ] = None,
    base: Base = None,
    prompt: Annotated[
        list[Prompt] | None,
        typer.Option(
            "--prompt",
            help="The paper's prompt: 1 plain, 2 answer tags, 3 think. With --seeds also several.",
            show_default="2",
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    seed: Seed = 0,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw answers at temperature 1; otherwise greedy.")
    ] = False,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="With --sample: by the checkpoint's own settings.")
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            help="With --sample: from so many seeds, from --seed on; --out gets their scores.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            help="Ask an OpenAI-compatible server that takes input_audio, in place of a local "
            "model: its address. --model is then the server's name for the model.",
        ),
    ] = None,
    concurrency: Concurrency = None,
    per_minute: PerMinute = None,
    timeout: Timeout = None,
) -> None:
    """Answer a file of questions and, where it has gold answers, score them.

    Answers are kept in a log beside the predictions; interrupted, the same command resumes.

    A key for --endpoint is taken from R1AQA_API_KEY, or else OPENAI_API_KEY, and from nowhere else.
    """
    pace = pace_of(endpoint, concurrency, per_minute, timeout)
    if endpoint is not None and (given(a=base, b=batch_size, c=profile) or sample):
        raise UserError(
            "--base, --batch-size, --profile, --sample: are for a local model; leave them out "
            "with --endpoint"
        )
    if not sample and (shipped or seeds is not None):
        raise UserError("--seeds, --shipped: are for --sample; give it, too")
    prompts = sorted({int(one.value) for one in prompt or [Prompt.answer]})
    if len(prompts) > 1 and seeds is None:
        raise UserError("--prompt: several are for --sample --seeds; give one")
    chosen = None if profile is None else pick_profile(profile)
    asked = read_questions(questions, audio_dir)
    test_set = identify(asked, questions)
    if out.is_dir():
        raise UserError(f"{shown(out)}: is a folder; give --out a file to write")
    check_writable(out.parent)
    from r1aqa_helpers.evaluation.local import answer_questions, write_predictions
    from r1aqa_helpers.reporting import write_metadata

    log = out.with_name(out.name + ".log.jsonl")
    how = {"prompt": prompts[0], "sample": sample, "seed": seed if sample else None}
    if endpoint is not None:
        from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
        from r1aqa_helpers.evaluation.openai_client import Pace, find_endpoint

        server = find_endpoint(endpoint, model)
        key = f"with the key from {server.key_variable}" if server.key_variable else "without a key"
        typer.echo(f"asking {server.url} {key}")
        how["endpoint"] = server.url
        predictions = answer_at_endpoint(
            server, asked, prompt=prompts[0], pace=Pace(**pace), log=log
        )
    else:
        loaded = load_checked(chosen, model, base, asked)
        if shipped and not loaded.shipped:
            raise UserError(f"model {shown(model)}: came with greedy settings; omit --shipped")
        sampling = dict(loaded.shipped) if shipped else {}
        options = {"batch_size": batch_size}
        if chosen is not None:
            options["batch_tokens"] = chosen.eval_tokens
            options["max_new_tokens"] = chosen.max_new_tokens
        if seeds is not None:
            from r1aqa_helpers.evaluation.sampled import sampled, sampled_lines

            drawn = range(seed, seed + seeds)
            result = sampled(loaded, asked, out, prompts, drawn, sampling, test_set, say, **options)
            typer.echo("\n".join([*sampled_lines(result), f"scores in {out}"]))
            return
        how |= given(base=base, profile=profile, sampling=sampling or None)
        predictions = answer_questions(
            loaded,
            asked,
            prompt=prompts[0],
            sample=sample,
            seed=seed,
            sampling=sampling,
            log=log,
            **options,
        )
    write_predictions(out, asked, predictions)
    write_metadata(out, test_set, model=model, **how)
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
    method: Annotated[
        str | None, typer.Option("--as", help="Name of the method, for a row of r1aqa table.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="With --as: where the predictions come from.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="With --as: file for the row; r1aqa table --scored shows it."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Figure of all groups of questions: .svg, .png or .pdf."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score predictions as MMAU's official script does, with 95 % intervals.

    By task, difficulty, category and sub-category: official match, strict match, parse failures,
    and what a constant answer reaches; then which choices were taken for which. It says which
    release of MMAU the questions are, and refuses predictions that `evaluate` made for other ones.
    """
    from r1aqa_helpers.reporting import check_predictions, write_scored
    from r1aqa_helpers.scoring import read_predictions
    from r1aqa_helpers.scoring import score as score_answers

    row = (method, source, out)
    if None in row and row != (None, None, None):
        raise UserError("--as, --source, --out: belong together; give all three, or none")
    asked = read_questions(questions)
    test_set = identify(asked, questions)
    check_predictions(predictions, test_set)
    result = score_answers(asked, read_predictions(predictions))
    if plot is not None:
        _save_plot(plot, result.groups())
    if out is not None:
        write_scored(out, method, source, result, test_set)
    if as_json:
        scored = {
            **result.as_dict(),
            "strict": result.strict.as_dict(),
            "groups": [group.group_dict() for group in result.groups()],
            "confusions": [[*pair, n] for pair, n in result.confusions().most_common()],
            "test_set": test_set.as_dict(),
        }
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
    from r1aqa_helpers.data.audio import load_audio

    if len(choices) < 2:
        raise UserError(f"--choices: has {len(choices)}; give two or more")
    wave = load_audio(audio)
    from r1aqa_helpers.evaluation.local import answer_one
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
    from r1aqa_helpers.course.widgets import listening_test as listening

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
    from rich.console import Console

    from r1aqa_helpers.reporting import NOTE, confusion_rows, groups_table

    # Wide enough for a row to stay one row also in a pipe.
    console = Console(width=max(100, Console().width))
    console.print(groups_table(result.groups()))
    typer.echo(NOTE)
    typer.echo(f"questions: {test_set.text}")
    typer.echo(
        f"{result.missing} without a prediction (counted as wrong), "
        f"{result.unparsed} predictions match none of their choices"
    )
    if found := result.confusions():
        typer.echo("taken for another choice most often (correct answer: what was said):")
    for gold, other, times in confusion_rows(found):
        typer.echo(f"  {times:3} × {shown(gold)}: {shown(other)}")


def _save_plot(path: Path, groups: "Sequence[Score]") -> None:
    """Write the figure whole or not at all, in the format that the file's name asks for."""
    import io

    from r1aqa_helpers.reporting import groups_figure
    from r1aqa_helpers.utils.io import write_bytes

    format = path.suffix.lower().removeprefix(".")
    if format not in ("svg", "png", "pdf"):
        raise UserError(f"--plot: {shown(path)} ends in none of .svg, .png, .pdf")
    buffer = io.BytesIO()
    groups_figure(groups).savefig(buffer, format=format, dpi=150)
    write_bytes(path, buffer.getvalue())
