"""The command line: ``r1aqa``. Only options, messages and exit codes; the work is elsewhere.

Exit codes: 0 success (also where ``--minutes`` ended a run early, as was asked), 1 a reported
failure, told in one line on stderr, 2 wrong usage, 130 interrupted with Ctrl-C.

Modules that import torch are imported inside the commands, so that ``--help`` is quick.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from r1aqa_helpers.errors import UserError
from r1aqa_helpers.files import shown, shown_value
from r1aqa_helpers.profiles import TINY_PROFILE, Profile, pick_profile
from r1aqa_helpers.questions import read_questions
from r1aqa_helpers.run_folder import check_writable

if TYPE_CHECKING:
    from r1aqa_helpers.scoring import Score

RUNS = Path("runs")
_SHOWN = 10  # of the questions that a conversion left out


class _Reporting(TyperGroup):
    """Turns what the user can mend, and Ctrl-C, into one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        if not sys.stderr.isatty():
            # Read when the library is imported; transformers' bars follow it. A log wants lines.
            os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("\ninterrupted: the same command goes on from here", err=True)
            raise typer.Exit(130) from None


class _ManyChoices(TyperCommand):
    """Lets ``--choices`` take all the words up to the next option: ``--choices A B C``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args, "--choices"))


def spread(args: list[str], option: str) -> list[str]:
    """``--choices A B`` as ``--choices=A --choices=B``, which option parsers understand.

    The words end at the next argument that starts with two dashes.
    """
    spread_args, taking = [], False
    for position, arg in enumerate(args):
        if arg == option:
            taking = True
            if position + 1 == len(args) or args[position + 1].startswith("--"):
                spread_args.append(arg)  # no word follows: let the parser say so
        elif taking and not arg.startswith("--"):
            spread_args.append(f"{option}={arg}")
        else:
            taking = False
            spread_args.append(arg)
    return spread_args


class Prompt(StrEnum):
    """The paper's prompts."""

    plain = "1"
    answer = "2"
    think = "3"


class Release(StrEnum):
    """MMAU's releases of test-mini."""

    v1 = "v1"
    v05_15_25 = "v05.15.25"


# pretty_exceptions: a traceback is for a defect report, and shall not show local values.
OPTIONS = {"no_args_is_help": True, "rich_markup_mode": None}
app = typer.Typer(
    name="r1aqa",
    cls=_Reporting,
    help="Reproduce R1-AQA: reinforcement learning for audio question answering.",
    pretty_exceptions_enable=False,
    add_completion=False,
    **OPTIONS,
)
train_app = typer.Typer(help="Train a model on a file of questions.", **OPTIONS)
data_app = typer.Typer(help="Prepare the questions and recordings.", **OPTIONS)
app.add_typer(train_app, name="train")
app.add_typer(data_app, name="data")
fetch_app = typer.Typer(help="Make a published test ready to be asked.", **OPTIONS)
data_app.add_typer(fetch_app, name="fetch")

ProfileName = Annotated[
    str | None,
    typer.Option("--profile", help="tiny or full; by default tiny where there is no CUDA device."),
]
Model = Annotated[
    str, typer.Option("--model", help="Folder of a Qwen2-Audio, or its Hugging Face Hub name.")
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


OtherModel = Annotated[
    str | None, typer.Option("--model", help="Another base model than the profile's.")
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder of the training run.")]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Training steps; by default the profile's.")
]


@app.command()
def reproduce(
    profile: ProfileName = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run; by default runs/PROFILE.")
    ] = None,
    seed: Seed = 0,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Stop after so long; the same command goes on."),
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", help="Other training questions than the profile's.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option("--test", help="Other test questions than the profile's.")
    ] = None,
    audio_dir: AudioDir = None,
    model: OtherModel = None,
) -> None:
    """The main job: measure direct inference, zero-shot CoT, SFT and GRPO beside the paper.

    Fails where GRPO does not beat direct inference by 10 points with p < 0.001.
    Interrupted anywhere, the same command goes on.
    """
    from dataclasses import replace

    from r1aqa_helpers.reproduce import reproduce as run

    chosen = pick_profile(profile)
    given = _given(train=train, test=test, audio_dir=audio_dir, model=model)
    chosen = replace(chosen, **given)
    run(chosen, out or RUNS / chosen.name, seed=seed, minutes=minutes)


@app.command()
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
    at_endpoint = _given(concurrency=concurrency, per_minute=per_minute, timeout=timeout)
    if endpoint is None and at_endpoint:
        raise UserError(
            "--concurrency, --requests-per-minute, --timeout: are for --endpoint; give its address"
        )
    if endpoint is not None and (base is not None or batch_size is not None or sample):
        raise UserError(
            "--base, --batch-size, --sample: are for a local model; leave them out with --endpoint"
        )
    asked = read_questions(questions, audio_dir)
    if out.is_dir():
        raise UserError(f"{shown(out)}: is a folder; give --out a file to write")
    check_writable(out.parent)
    from r1aqa_helpers.answering import answer_questions, write_predictions

    journal = out.with_name(out.name + ".journal.jsonl")
    if endpoint is not None:
        from r1aqa_helpers.endpoint import Pace, answer_at_endpoint, find_endpoint

        server = find_endpoint(endpoint, model)
        key = f"with the key from {server.key_variable}" if server.key_variable else "without a key"
        typer.echo(f"asking {server.url} {key}")
        predictions = answer_at_endpoint(
            server, asked, prompt=int(prompt.value), pace=Pace(**at_endpoint), journal=journal
        )
    else:
        from r1aqa_helpers.models import listening_check, load

        loaded = load(model, base=base)
        listening_check(loaded, asked)
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
    typer.echo(f"{len(predictions)} answers in {out}")
    if all(question.answer is not None for question in asked):
        from r1aqa_helpers.scoring import score as score_answers

        _print_score(score_answers(asked, {p.id: p.answer for p in predictions}))


@app.command()
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
    """Score predictions as MMAU's official script does, with 95 % intervals."""
    from r1aqa_helpers.scoring import read_predictions
    from r1aqa_helpers.scoring import score as score_answers

    result = score_answers(read_questions(questions), read_predictions(predictions))
    if as_json:
        typer.echo(json.dumps(result.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        _print_score(result)


@app.command(cls=_ManyChoices)
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


@app.command()
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


ModelFolder = Annotated[Path, typer.Argument(help="Folder of a saved model.", metavar="FOLDER")]


@app.command()
def push(
    folder: ModelFolder,
    repo: Annotated[str, typer.Option("--repo", help="Where to: OWNER/NAME.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent, without any network.")
    ] = False,
) -> None:
    """Upload a saved model or adapter, with its card, to the Hugging Face Hub.

    The access token is taken from HF_TOKEN, or from where `hf auth login` keeps it.
    """
    from r1aqa_helpers.models import push as upload

    address = upload(folder, repo, private=private, dry_run=dry_run, say=typer.echo)
    if address is not None:
        typer.echo(address)


@app.command()
def card(
    folder: ModelFolder,
    results: Annotated[
        Path, typer.Option("--results", help="results.json of a run of r1aqa reproduce.")
    ],
) -> None:
    """Put a run's table, with its intervals, into a saved model's card."""
    from r1aqa_helpers.files import read_json
    from r1aqa_helpers.models import CARD, add_results

    add_results(folder, read_json(results))
    typer.echo(folder / CARD)


@app.command()
def doctor(
    profile: ProfileName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the Hub alone.")] = False,
) -> None:
    """Say what is here, what is missing, and what to do next.

    Looks at the machine, versions, profile, free room, the Hub, and which weights and data are
    here. Downloads and changes nothing. Fails where something stops the main job.
    """
    from r1aqa_helpers.doctor import examine

    if profile is not None:
        pick_profile(profile)  # an unknown name is the user's slip, not a finding
    done = examine(profile, offline)
    if as_json:
        typer.echo(json.dumps(done.as_dict(), ensure_ascii=False, allow_nan=False))
    else:
        typer.echo(done.as_text())
    if done.stops:
        raise UserError(done.verdict())
    typer.echo(done.verdict(), err=True)


@train_app.command("grpo")
def train_grpo(
    questions: Questions,
    out: OutFolder,
    model: OtherModel = None,
    audio_dir: AudioDir = None,
    profile: ProfileName = None,
    steps: Steps = None,
    seed: Seed = 0,
) -> None:
    """Train with GRPO, with the profile's settings. Interrupted, the same command goes on."""
    from r1aqa_helpers.grpo.train import GRPOSettings
    from r1aqa_helpers.grpo.train import train_grpo as run

    chosen = pick_profile(profile)
    settings = GRPOSettings(**{**chosen.grpo, **_given(seed=seed, steps=steps)})
    _train(run, settings, chosen, model, questions, audio_dir, out)


@train_app.command("sft")
def train_sft(
    questions: Questions,
    out: OutFolder,
    model: OtherModel = None,
    audio_dir: AudioDir = None,
    profile: ProfileName = None,
    steps: Steps = None,
    seed: Seed = 0,
) -> None:
    """Train on the right answers, with the profile's settings. Interrupted, it goes on."""
    from r1aqa_helpers.sft import SFTSettings
    from r1aqa_helpers.sft import train_sft as run

    chosen = pick_profile(profile)
    settings = SFTSettings(**{**chosen.sft, **_given(seed=seed, steps=steps)})
    _train(run, settings, chosen, model, questions, audio_dir, out)


def _train(
    run: Callable[..., Path],
    settings: Any,
    profile: Profile,
    model: str | None,
    questions: Path,
    audio_dir: Path | None,
    out: Path,
) -> None:
    from r1aqa_helpers.models import listening_check, load

    asked = read_questions(questions, audio_dir)
    check_writable(out)
    loaded = load(model or profile.model, device=profile.device, dtype=profile.dtype)
    listening_check(loaded, asked)
    typer.echo(f"trained model: {run(loaded, asked, settings, out)}")


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


@data_app.command("prepare")
def data_prepare(
    force: Annotated[bool, typer.Option("--force", help="Render anew what is there.")] = False,
) -> None:
    """Render the recordings of the tiny track and write its files of questions."""
    from r1aqa_helpers.tiny.data import prepare

    data = prepare(force=force)
    for name in ("train", "validation", "test"):
        typer.echo(f"{name}: {getattr(data, name)}")


@data_app.command("audit")
def data_audit(
    file: Annotated[
        Path, typer.Argument(help="Questions: .jsonl (AVQA lines) or .json (MMAU).", metavar="FILE")
    ],
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Another file: say what is shared, and what differs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Count a file's questions, gold positions, best constant answers and duplicates."""
    from r1aqa_helpers.questions.audit import audit_file, audit_text

    report = audit_file(file, against)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo(audit_text(report))


@data_app.command("convert-avqa")
def data_convert_avqa(
    annotations: Annotated[
        Path, typer.Option("--annotations", help="AVQA's own train_qa.json or val_qa.json.")
    ],
    audio_dir: Annotated[Path, typer.Option("--audio-dir", help="Folder of the clips.")],
    out: Annotated[Path, typer.Option("--out", help="R1-AQA's lines, .jsonl.")],
) -> None:
    """Turn AVQA's annotations into R1-AQA's training lines.

    Questions whose clip is missing or broken are left out, counted, and listed in a file
    beside OUT.
    """
    if out.suffix.lower() != ".jsonl":
        raise UserError(f"{shown(out)}: unknown kind of question file; name it .jsonl")
    check_writable(out.parent)
    from r1aqa_helpers.questions.avqa import convert_avqa

    done = convert_avqa(annotations, audio_dir, out)
    typer.echo(f"{done.questions} questions about {done.clips} clips in {shown(out)}")
    lines = [f"{x.kind}: {shown_value(x.video_name)}: {x.reason}" for x in done.left_out]
    _print_left_out(lines, done.counts, done.list_file)


@fetch_app.command("mmau")
def data_fetch_mmau(
    version: Annotated[
        Release | None,
        typer.Option("--version", help="The release that it must be; by default the one there."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Folder (or file of questions) that you have; by default the Hub."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="By default runs/mmau-test-mini-VERSION.")
    ] = None,
) -> None:
    """Make MMAU test-mini ready: questions as MMAU's JSON, recordings, and source.json.

    From the Hugging Face Hub, or from a folder with MMAU's JSON and recordings or with parquet
    files. Which release it is, the content decides. Questions without a recording that can be
    decoded are left out, counted, and listed in source.json. Interrupted, the same command
    goes on.
    """
    if out is not None:
        check_writable(out)
    from r1aqa_helpers.questions.mmau import fetch_mmau

    done = fetch_mmau(None if version is None else version.value, folder, out)
    typer.echo(f"{done.n} questions in {shown(done.questions)}")
    if done.version is None:
        typer.echo("release: none that is known; do not compare with published results")
    else:
        note = "" if done.exact else ", but not all of its texts: do not compare with published"
        typer.echo(f"release: {done.version}{note}")
    lines = [f"{x.kind}: {shown(x.place)}: {shown(x.reason)}" for x in done.left_out]
    _print_left_out(lines, done.counts, done.source)


def _print_left_out(lines: list[str], counts: Mapping[str, int], listed: Path) -> None:
    kinds = ", ".join(f"{kind} {n}" for kind, n in counts.items())
    typer.echo(f"left out: {len(lines)} ({kinds}), listed in {shown(listed)}")
    for line in lines[:_SHOWN]:
        typer.echo(f"  {line}")
    if len(lines) > _SHOWN:
        typer.echo(f"  and {len(lines) - _SHOWN} more")


def _print_score(result: "Score") -> None:
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
    typer.echo(
        f"{result.missing} without a prediction (counted as wrong), "
        f"{result.unparsed} predictions match none of their choices"
    )


def main() -> None:
    """The entry point of ``r1aqa``."""
    app(prog_name="r1aqa")
