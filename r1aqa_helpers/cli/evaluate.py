"""Commands that ask questions and score the answers: evaluate, score, ask, probe, cascade."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from r1aqa_helpers.cli import options as opt
from r1aqa_helpers.data import AudioQuestion, QuestionSet, identify, read_questions
from r1aqa_helpers.hardware import TINY_PROFILE, Profile, pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.run_dir import check_writable
from r1aqa_helpers.utils.untrusted import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from r1aqa_helpers.models import LoadedModel


def evaluate(
    model: opt.Model,
    questions: opt.Questions,
    out: Annotated[Path, typer.Option(help="Predictions, as MMAU's JSON.")],
    audio_dir: opt.AudioDir = None,
    profile: opt.LoadAs = None,
    dtype: opt.Dtype = None,
    base: opt.Base = None,
    prompt: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            max=3,
            help="The paper's prompt: 1 plain, 2 answer tags, 3 think. With --seeds also several.",
            show_default="2",
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Questions at once.")] = None,
    seed: opt.Seed = 0,
    sample: Annotated[
        bool, typer.Option("--sample", help="Sample at temperature 1; by default greedy.")
    ] = False,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="With --sample: use the checkpoint's own settings.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="With --sample: number of seeds; --out gets scores.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of an answer; by default 256.")
    ] = None,
    endpoint: opt.Endpoint = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=256, help="With --endpoint: requests at once.")
    ] = None,
    per_minute: Annotated[
        float | None,
        typer.Option("--requests-per-minute", min=0.01, help="With --endpoint: at most this many."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.01, help="With --endpoint: seconds for one request.")
    ] = None,
) -> None:
    """Answer a file of questions and, where it has gold answers, score them.

    Answers are kept in a log beside the predictions; after an interruption, the same command
    resumes. A key for --endpoint is read from R1AQA_API_KEY or, without that, OPENAI_API_KEY.
    """
    pace = opt.given(concurrency=concurrency, per_minute=per_minute, timeout=timeout)
    if endpoint is None and pace:
        raise UserError(
            "--concurrency, --requests-per-minute, --timeout: are for --endpoint; give its address"
        )
    if endpoint is not None and (opt.given(a=base, b=batch_size, c=profile, d=dtype) or sample):
        raise UserError(
            "--base, --batch-size, --dtype, --profile, --sample: are for a local model; leave "
            "them out with --endpoint"
        )
    if not sample and (shipped or seeds is not None):
        raise UserError("--seeds, --shipped: are for --sample; give it, too")
    prompts = sorted(set(prompt or [2]))
    if len(prompts) > 1 and seeds is None:
        raise UserError("--prompt: several are for --sample --seeds; give one")
    chosen = None if profile is None else pick_profile(profile)
    asked = read_questions(questions, audio_dir)
    test_set = identify(asked, questions)
    if os.path.isdir(out):
        raise UserError(f"{shown(out)}: is a folder; give --out a file to write")
    check_writable(out.parent)
    from r1aqa_helpers.evaluation.local import answer_questions, write_predictions
    from r1aqa_helpers.scoring import write_metadata

    limits = {} if chosen is None else _limits(chosen)
    limits |= opt.given(max_new_tokens=max_new_tokens)
    how: dict[str, Any] = {"prompt": prompts[0], "sample": sample, "seed": seed if sample else None}
    if endpoint is not None:
        from r1aqa_helpers.evaluation.openai_client import Pace

        server, answer = _served(endpoint, model, prompts[0], pace=Pace(**pace), **limits)
        key = f"with the key from {server.key_variable}" if server.key_variable else "without a key"
        opt.echo(f"asking {server.url} {key}")
        how["endpoint"] = server.url
    else:
        loaded = _load(chosen, model, base, asked, dtype)
        if shipped and not loaded.shipped:
            raise UserError(f"model {shown(model)}: came with greedy settings; omit --shipped")
        sampling = dict(loaded.shipped) if shipped else {}
        options = {"batch_size": batch_size, **limits}
        if seeds is not None:
            from r1aqa_helpers.evaluation.sampled import sampled, sampled_lines

            drawn = range(seed, seed + seeds)
            result = sampled(
                loaded, asked, out, prompts, drawn, sampling, test_set, opt.say, **options
            )
            opt.echo("\n".join([*sampled_lines(result), f"scores in {shown(out)}"]))
            lines = [line for row in result["rows"] for line in row["seeds"]]
            _check_whole(out, sum(line["missing"] for line in lines), len(asked) * len(lines))
            return
        how |= opt.given(base=base, profile=profile, dtype=dtype, sampling=sampling or None)
        options |= {"prompt": prompts[0], "sample": sample, "seed": seed, "sampling": sampling}
        answer = partial(answer_questions, loaded, **options)
    predictions = answer(asked, log=out.with_name(out.name + ".log.jsonl"))
    write_predictions(out, asked, predictions)
    how["cut"] = sum(one.cut for one in predictions)
    write_metadata(out, test_set, model=model, **how, **opt.given(max_new_tokens=max_new_tokens))
    opt.echo(f"{len(predictions)} answers in {shown(out)}")
    if all(question.answer is not None for question in asked):
        from r1aqa_helpers.reporting import print_score
        from r1aqa_helpers.scoring import score as score_answers

        print_score(score_answers(asked, {p.id: p.answer for p in predictions}), test_set)
    _check_whole(out, len(asked) - len(predictions), len(asked))


def score(
    questions: opt.Questions,
    predictions: Annotated[
        Path,
        typer.Option(
            help="MMAU's JSON (model_prediction or model_output), or .jsonl with id and response."
        ),
    ],
    method: Annotated[
        str | None, typer.Option("--as", help="Name of the method, for a row of r1aqa table.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="With --as: where the predictions come from.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --as: file for the row; r1aqa table --scored shows it."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Figure of all groups of questions: .svg, .png or .pdf.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Score predictions as MMAU's official script does, with 95 % intervals.

    By task, difficulty, category and sub-category it prints the official match, the strict match,
    parse failures and the best constant answer; then the most frequent confusions of choices. It
    names the questions' MMAU release, and refuses predictions that `evaluate` made for others.
    """
    from r1aqa_helpers.reporting import print_score, save_groups_figure, write_scored
    from r1aqa_helpers.scoring import check_predictions, read_predictions
    from r1aqa_helpers.scoring import score as score_answers

    row = (method, source, out)
    if None in row and row != (None, None, None):
        raise UserError("--as, --source, --out: belong together; give all three, or none")
    asked = read_questions(questions)
    test_set = identify(asked, questions)
    check_predictions(predictions, test_set)
    result = score_answers(asked, read_predictions(predictions))
    if plot is not None:
        save_groups_figure(result.groups(), plot)
    if method is not None and source is not None and out is not None:
        write_scored(out, method, source, result, test_set)
    if not as_json:
        print_score(result, test_set)
        return
    opt.echo_json(
        {
            **result.as_dict(),
            "letters": result.letters,
            "strict": result.strict.as_dict(),
            "groups": [group.group_dict() for group in result.groups()],
            "confusions": [[*pair, n] for pair, n in result.confusions().most_common()],
            "test_set": test_set.as_dict(),
        }
    )


def ask(
    audio: Annotated[Path, typer.Option(help="Any recording.")],
    question: Annotated[str, typer.Option(help="What to ask about it.")],
    choices: Annotated[list[str], typer.Option(help="Two or more: --choices A B C D.")],
    model: opt.OtherModel = None,
    prompt: opt.PromptNumber = 2,
    base: opt.Base = None,
    profile: opt.LoadAs = None,
    dtype: opt.Dtype = None,
) -> None:
    """Ask a question about one recording; by default the tiny model answers."""
    from r1aqa_helpers.data.audio import load_audio

    if len(choices) < 2:
        raise UserError(f"--choices: has {len(choices)}; give two or more")
    wave = load_audio(audio)
    from r1aqa_helpers.evaluation.local import answer_one

    chosen = None if profile is None else pick_profile(profile)
    loaded = _loaded(chosen, model or (chosen or TINY_PROFILE).model, base, dtype)
    prediction, cut = answer_one(loaded, wave, question, choices, prompt)
    if cut:
        heard = loaded.window_seconds
        opt.say(
            f"warning: {shown(audio)}: the model hears {heard:g} s, so the first {heard:g} s were"
            f" used and the last {cut:.2f} s cut"
        )
    for name, said in (("response: ", prediction.response), ("answer:   ", prediction.answer)):
        opt.echo(name + said.replace("\n", f"\n{' ' * len(name)}"))


class ManyChoices(TyperCommand):
    """Lets ``--choices`` take all the words up to the next option: ``--choices A B C``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments with ``--choices A B`` as ``--choices=A --choices=B``."""
        option, taking = "--choices", False
        parsed: list[str] = []
        for arg in args:
            if taking and not arg.startswith("--"):
                if parsed[-1] == option:
                    parsed.pop()
                parsed.append(f"{option}={arg}")
            else:
                taking = arg == option
                parsed.append(arg)
        return super().parse_args(ctx, parsed)


def probe(
    out: Annotated[Path, typer.Option(help="Folder for answers and probes.json.")],
    model: opt.OtherModel = None,
    questions: opt.TestQuestions = None,
    train: opt.TrainQuestions = None,
    audio_dir: opt.AudioDir = None,
    profile: opt.ProfileName = None,
    base: opt.Base = None,
    prompt: opt.PromptNumber = 2,
    seed: opt.Seed = 0,
    as_json: opt.AsJson = False,
) -> None:
    """Measure what explains a model's accuracy: baselines, order of choices, the recording.

    Asks each question with every rotation of its choices, with silence, and with another
    question's clip. After an interruption, the same command resumes.
    """
    chosen = pick_profile(profile)
    check_writable(out)  # before clips are rendered
    if chosen.tiny_questions and questions is None and train is None:
        from r1aqa_helpers.tiny.data import prepare

        train = prepare().train
    train = train or chosen.train
    if train is None:
        raise UserError("probe: give labelled training questions, --train")
    asked, test_set = _labelled(chosen, questions, audio_dir)
    seen = read_questions(train, audio_dir)
    from r1aqa_helpers.evaluation.probes import probe as run
    from r1aqa_helpers.evaluation.probes import probe_lines

    loaded = _load(chosen, model, base, asked)
    result = run(loaded, asked, seen, chosen, out, test_set, prompt=prompt, seed=seed, say=opt.say)
    opt.echo_result(result, as_json, "\n".join(probe_lines(result)))


def cascade(
    out: Annotated[Path, typer.Option(help="Folder for captions, answers and scores.")],
    model: opt.OtherModel = None,
    text_model: Annotated[
        str | None,
        typer.Option(
            help="Folder of a causal language model, or of a Qwen2-Audio (its language model is "
            "used); for tiny by default data/tiny/text_model."
        ),
    ] = None,
    endpoint: opt.Endpoint = None,
    questions: opt.TestQuestions = None,
    audio_dir: opt.AudioDir = None,
    profile: opt.ProfileName = None,
    base: opt.Base = None,
    prompt: opt.PromptNumber = 2,
    request: Annotated[
        str, typer.Option(help="The request for a caption.")
    ] = "Describe the audio.",
    as_json: opt.AsJson = False,
) -> None:
    """Caption every clip, then let a text model answer from the captions: full and shortened.

    With --endpoint the text model is at the server. Captions are kept in captions.jsonl; after an
    interruption, the same command resumes. A key for --endpoint is read from R1AQA_API_KEY or,
    without that, OPENAI_API_KEY.
    """
    chosen = pick_profile(profile)
    check_writable(out)  # before clips are rendered
    asked, test_set = _labelled(chosen, questions, audio_dir)
    if chosen.tiny_questions and endpoint is None:
        from r1aqa_helpers.tiny.data import TEXT_MODEL

        text_model = text_model or str(TEXT_MODEL)
    if text_model is None:
        raise UserError("cascade: give the text model, --text-model")
    from r1aqa_helpers.evaluation import cascade as lib
    from r1aqa_helpers.models.text_model import check_text_model, load_text_model
    from r1aqa_helpers.scoring import write_metadata

    about = {}
    if endpoint is not None:
        server, answer = _served(endpoint, text_model, prompt)
        about["endpoint"] = server.url
    else:
        check_text_model(text_model)  # before the hours of captioning
    loaded = _load(chosen, model, base, asked)
    about |= {
        "model": place(loaded.name),
        "text_model": place(text_model),
        "request": request,
        "weak_words": lib.WEAK_WORDS,
        "prompt": prompt,
    }
    log = out / "captions.log.jsonl"
    captions = lib.caption_clips(loaded, asked, request=request, log=log, **_limits(chosen))
    if endpoint is None:
        del loaded  # a GPU need not hold both
        reader = load_text_model(text_model, chosen.device, chosen.dtype)
        answer = partial(lib.answer_from_captions, reader, prompt=prompt, **_limits(chosen))
    facts = {**about, "test_set": test_set.as_dict()}
    result = lib.run_cascade(asked, captions, answer, out, facts, opt.say)
    for strength in lib.STRENGTHS:
        write_metadata(out / f"{strength}.json", test_set, captions=strength, **about)
    opt.echo_result(result, as_json, "\n".join(lib.cascade_lines(result)))
    missing = sum(row["missing"] for row in result["rows"])
    _check_whole(out, missing, len(asked) * len(result["rows"]))


def _check_whole(out: Path, missing: int, n: int) -> None:
    """Make missing answers, of which warnings have told, a part of the exit status."""
    if missing:
        raise UserError(
            f"{shown(out)}: {missing} of {n} answers are missing and count as wrong; fix what the"
            " warnings name, and give the same command again"
        )


def _served(endpoint: str, model: str, prompt: int, **options: Any) -> tuple[Any, Any]:
    """The server, and the function that answers questions there."""
    from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
    from r1aqa_helpers.evaluation.openai_client import find_endpoint

    server = find_endpoint(endpoint, model)
    return server, partial(answer_at_endpoint, server, prompt=prompt, **options)


def _labelled(
    profile: Profile, questions: Path | None, audio_dir: Path | None
) -> tuple[list[AudioQuestion], QuestionSet]:
    """The given questions or the profile's test, and which set they are."""
    if profile.tiny_questions and questions is None:
        from r1aqa_helpers.tiny.data import prepare

        questions = prepare().test
    questions = questions or profile.test
    if questions is None:
        raise UserError("--questions: give labelled questions")
    asked = read_questions(questions, audio_dir)
    return asked, identify(asked, questions)


def _load(
    profile: Profile | None,
    model: str | None,
    base: str | None,
    asked: "Sequence[AudioQuestion]",
    dtype: str | None = None,
) -> "LoadedModel":
    """The model after the hearing check, loaded as the profile says where there is one."""
    from r1aqa_helpers.models import hearing_check

    loaded = _loaded(profile, model, base, dtype)
    hearing_check(loaded, asked)
    return loaded


def _loaded(
    profile: Profile | None, model: str | None, base: str | None, dtype: str | None
) -> "LoadedModel":
    from r1aqa_helpers.models import load, load_for

    if profile is None:
        assert model is not None, "without a profile it is always named"
        return load(model, dtype=dtype, base=base)
    return load_for(replace(profile, dtype=dtype or profile.dtype), model, base)


def _limits(profile: Profile) -> dict[str, Any]:
    return {"batch_tokens": profile.eval_tokens, "max_new_tokens": profile.max_new_tokens}
