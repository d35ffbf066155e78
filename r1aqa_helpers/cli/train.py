"""``r1aqa train``: GRPO, supervised fine-tuning, and the other trained rows of the table."""

import inspect
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from r1aqa_helpers.cli import options as opt
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.hardware import pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.run_dir import check_writable

train_app = typer.Typer(
    help="Train a model on a file of questions. On several GPUs: accelerate launch --config_file "
    "r1aqa_helpers/training/launch/ddp.yaml --num_processes 8 -m r1aqa_helpers train grpo ... "
    "(for full training zero3.yaml and fsdp.yaml, which shard the weights).",
    **opt.GROUP,
)


def _train(
    algorithm: str | None,
    method: Annotated[str | None, typer.Argument(help="A trained row of the table, such as cota.")],
    questions: opt.Questions,
    out: Annotated[Path, typer.Option(help="Folder of the training run.")],
    model: opt.OtherModel = None,
    base: opt.Base = None,
    audio_dir: opt.AudioDir = None,
    profile: opt.ProfileName = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; by default the profile's.")
    ] = None,
    minutes: opt.Minutes = None,
    lora_rank: Annotated[
        int | None, typer.Option(min=0, help="LoRA rank, 0: all weights; by default the profile's.")
    ] = None,
    train_encoder: Annotated[
        bool | None,
        typer.Option(
            "--train-audio-encoder/--freeze-audio-encoder",
            help="Whether the audio encoder is trained; by default as the profile says.",
        ),
    ] = None,
    push_to: Annotated[
        str | None,
        typer.Option(
            help="After the last step, upload the adapter (with LoRA) or the model to OWNER/NAME "
            "on the Hugging Face Hub."
        ),
    ] = None,
    leave_out_bad: Annotated[
        bool,
        typer.Option(
            "--leave-out-bad", help="Leave out the questions whose recordings cannot be used."
        ),
    ] = False,
    seed: opt.Seed = 0,
) -> None:
    """Train a row of the table by its name (``method``), or with an algorithm's plain settings."""
    chosen = pick_profile(profile)
    asked = opt.given(seed=seed, steps=steps, minutes=minutes, lora_rank=lora_rank)
    if train_encoder is not None:
        asked["freeze_audio_encoder"] = not train_encoder
    run: Callable[..., Path]
    settings: Any
    if algorithm is None:
        from r1aqa_helpers.experiments import methods

        picked = methods.pick_method(method or "")
        if picked.start is not None and model is None:
            raise UserError(
                f"{method}: starts from a model that {picked.start} trained; name it with --model"
            )
        settings = methods.method_settings(picked, chosen, **asked)
        run = partial(methods.train_method, picked)
    elif algorithm == "sft":
        from r1aqa_helpers.training.sft import SFTSettings, train_sft

        settings, run = SFTSettings(**{**chosen.sft, **asked}), train_sft
    else:
        from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo

        settings, run = GRPOSettings(**{**chosen.grpo, **asked}), train_grpo
    if not settings.lora_rank:  # steps of full training vanish in shorter numbers
        chosen = replace(chosen, dtype="float32", quantise=None)
    train_questions = read_questions(questions, audio_dir)
    check_writable(out)
    if leave_out_bad:
        from r1aqa_helpers.data.recordings import check_recordings

        train_questions = check_recordings(train_questions, leave_out=True)
    from r1aqa_helpers.hardware.summary import announcement, with_settings
    from r1aqa_helpers.models import check_target, hearing_check, load_for, push
    from r1aqa_helpers.models.lora import describe_trained
    from r1aqa_helpers.training import distributed, steps_made

    if push_to is not None:
        check_target(push_to)
    announced = with_settings(replace(chosen, model=model or chosen.model), settings)
    # A launcher says how many processes there are before they have met.
    opt.echo(announcement(announced, gpus=int(os.environ.get("WORLD_SIZE", "1"))))
    loaded = load_for(chosen, model, base, distributed.init(chosen.device))
    hearing_check(loaded, train_questions)
    trained = describe_trained(loaded.model, settings.lora_rank, settings.encoder_frozen)
    opt.echo(f"training {trained}")
    opt.echo(f"trained model: {run(loaded, train_questions, settings, out)}")
    del loaded  # a sharded model holds on to the process group
    made, adapter = steps_made(out), out / "adapter"
    if push_to is not None and made < settings.steps:
        opt.echo(
            f"not uploaded: stopped after step {made} of {settings.steps}; "
            "the same command resumes, and uploads at the end"
        )
    elif push_to is not None:
        folder = adapter if adapter.is_dir() else out / "model"
        distributed.run_on_main(lambda: opt.echo(push(folder, push_to, say=opt.echo) or ""))
    distributed.destroy()


def _command(name: str, about: str, **fixed: Any) -> None:
    """Add a command: `_train` with the options that are not ``fixed``."""

    def command(**options: Any) -> None:
        _train(**fixed, **options)

    signature = inspect.signature(_train)
    left = [one for one in signature.parameters.values() if one.name not in fixed]
    vars(command)["__signature__"] = signature.replace(parameters=left)
    train_app.command(name, help=f"{about} After an interruption, the same command resumes.")(
        command
    )


_command("grpo", "Train with GRPO.", algorithm="grpo", method=None)
_command("sft", "Train on the correct answers.", algorithm="sft", method=None)
_command(
    "method",
    "Train a row of the table: sft, sft-lora, cota, sft-random, rejection, grpo-2, grpo-3, "
    "cold-start, sft-grpo, grpo-text-only or grpo-accuracy-only. For cota, each line of the "
    "questions has a field reasoning; cold-start and sft-grpo start from the --model that cota or "
    "sft trained.",
    algorithm=None,
    lora_rank=None,
    train_encoder=None,
)
