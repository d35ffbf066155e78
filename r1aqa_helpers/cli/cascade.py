"""``r1aqa cascade``: captions by the audio model, answers by a text model."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from r1aqa_helpers.cli.options import (
    AsJson,
    AudioDir,
    Base,
    Concurrency,
    OtherModel,
    PerMinute,
    ProfileName,
    Prompt,
    PromptNumber,
    TestQuestions,
    Timeout,
    echo_result,
    labelled_questions,
    load_checked,
    pace_of,
    say,
)
from r1aqa_helpers.hardware import pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import place
from r1aqa_helpers.utils.run_dir import check_writable


def cascade(
    out: Annotated[Path, typer.Option("--out", help="Folder for captions, answers and scores.")],
    model: OtherModel = None,
    text_model: Annotated[
        str | None,
        typer.Option(
            "--text-model",
            help="Folder of a causal language model, or of a Qwen2-Audio, whose language model "
            "is taken; with --endpoint the server's name for the model.",
            show_default="on the tiny track data/tiny/text_model",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", help="Let an OpenAI-compatible server read the captions: its address."
        ),
    ] = None,
    questions: TestQuestions = None,
    audio_dir: AudioDir = None,
    profile: ProfileName = None,
    base: Base = None,
    prompt: PromptNumber = Prompt.answer,
    request: Annotated[
        str | None,
        typer.Option(
            "--request", help="What asks for a caption.", show_default="Describe the audio."
        ),
    ] = None,
    concurrency: Concurrency = None,
    per_minute: PerMinute = None,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Caption every clip, then answer from the captions alone: whole ones, and a few words.

    The text model never hears. Captions are kept in captions.jsonl; interrupted, the same command
    resumes. A key for --endpoint is taken from R1AQA_API_KEY, or else OPENAI_API_KEY.
    """
    pace = pace_of(endpoint, concurrency, per_minute, timeout)
    chosen = pick_profile(profile)
    asked, test_set = labelled_questions("cascade", chosen, questions, audio_dir)
    if chosen.tiny_questions and endpoint is None:
        from r1aqa_helpers.tiny.data import TEXT_MODEL

        text_model = text_model or str(TEXT_MODEL)
    if text_model is None:
        raise UserError("cascade: give the text model, --text-model")
    check_writable(out)
    from r1aqa_helpers.evaluation import cascade as lib
    from r1aqa_helpers.reporting import write_metadata

    number = int(prompt.value)
    if endpoint is not None:
        from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
        from r1aqa_helpers.evaluation.openai_client import Pace, find_endpoint

        server = find_endpoint(endpoint, text_model)
        answer = partial(answer_at_endpoint, server, prompt=number, pace=Pace(**pace))
    else:
        lib.check_text_model(text_model)  # before the hours of captioning
    loaded = load_checked(chosen, model, base, asked)
    limits = {"batch_tokens": chosen.eval_tokens, "max_new_tokens": chosen.max_new_tokens}
    about = {
        "model": place(loaded.name),
        "text_model": place(text_model),
        **({} if endpoint is None else {"endpoint": server.url}),
        "request": request or lib.REQUEST,
        "weak_words": lib.WEAK_WORDS,
        "prompt": number,
    }
    log = out / "captions.log.jsonl"
    captions = lib.caption_clips(loaded, asked, request=about["request"], log=log, **limits)
    if endpoint is None:
        del loaded  # a GPU need not hold both
        reader = lib.load_text_model(text_model, chosen.device, chosen.dtype)
        answer = partial(lib.answer_from_captions, reader, prompt=number, **limits)
    facts = {**about, "test_set": test_set.as_dict()}
    result = lib.run_cascade(asked, captions, answer, out, facts, say)
    for strength in lib.STRENGTHS:
        write_metadata(out / f"{strength}.json", test_set, captions=strength, **about)
    echo_result(result, as_json, lib.cascade_lines(result))
