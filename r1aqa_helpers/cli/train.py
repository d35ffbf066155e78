"""``r1aqa train``: GRPO and supervised fine-tuning."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from r1aqa_helpers.cli.announcing import announce
from r1aqa_helpers.cli.frame import OPTIONS, given
from r1aqa_helpers.cli.options import AudioDir, Base, OtherModel, ProfileName, Questions, Seed
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.hardware import Profile, pick_profile
from r1aqa_helpers.utils.run_dir import check_writable

train_app = typer.Typer(
    help="Train a model on a file of questions. On several GPUs: accelerate launch --config_file "
    "r1aqa_helpers/training/launch/ddp.yaml --num_processes 8 -m r1aqa_helpers train grpo ... "
    "(zero3.yaml and fsdp.yaml share the weights out, for full training).",
    **OPTIONS,
)
TrainTower = Annotated[
    bool | None,
    typer.Option(
        "--train-tower/--freeze-tower",
        help="Whether the audio encoder trains, with LoRA by adapters; by default the profile's.",
    ),
]
LoraRank = Annotated[
    int | None,
    typer.Option(
        "--lora-rank", min=0, help="LoRA of this rank, 0: all weights; by default the profile's."
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        min=0,
        help="Stop, with a model, after the step in which these are over; the same command goes "
        "on.",
    ),
]
PushTo = Annotated[
    str | None,
    typer.Option(
        "--push-to",
        help="Once all steps are made, upload the adapter (with LoRA) or the model to OWNER/NAME "
        "on the Hugging Face Hub.",
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder of the training run.")]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Training steps; by default the profile's.")
]
Train = Callable[..., Path]


def _grpo() -> tuple[type, Train]:
    from r1aqa_helpers.training.grpo.run import train_grpo
    from r1aqa_helpers.training.grpo.settings import GRPOSettings

    return GRPOSettings, train_grpo


def _sft() -> tuple[type, Train]:
    from r1aqa_helpers.training.sft import SFTSettings, train_sft

    return SFTSettings, train_sft


def _method(name: str, about: str, imported: Callable[[], tuple[type, Train]]) -> None:
    """Add the command of a method; ``imported`` is slow, and so done only when it is called."""

    @train_app.command(name, help=f"{about}, with the profile's settings. Interrupted, it goes on.")
    def train(
        questions: Questions,
        out: OutFolder,
        model: OtherModel = None,
        base: Base = None,
        audio_dir: AudioDir = None,
        profile: ProfileName = None,
        steps: Steps = None,
        minutes: Minutes = None,
        lora_rank: LoraRank = None,
        train_tower: TrainTower = None,
        push_to: PushTo = None,
        seed: Seed = 0,
    ) -> None:
        chosen = pick_profile(profile)
        kind, run = imported()
        freeze = None if train_tower is None else not train_tower
        asked = given(
            seed=seed, steps=steps, minutes=minutes, lora_rank=lora_rank, freeze_tower=freeze
        )
        settings = kind(**{**getattr(chosen, name), **asked})
        _train(run, settings, chosen, model, base, questions, audio_dir, out, push_to)


_method("grpo", "Train with GRPO", _grpo)
_method("sft", "Train on the correct answers", _sft)


@train_app.command("method")
def train_method(
    method: Annotated[str, typer.Argument(help="A trained row of the table, such as cota.")],
    questions: Questions,
    out: OutFolder,
    model: OtherModel = None,
    base: Base = None,
    audio_dir: AudioDir = None,
    profile: ProfileName = None,
    steps: Steps = None,
    minutes: Minutes = None,
    push_to: PushTo = None,
    seed: Seed = 0,
) -> None:
    """Train a row of the table: its algorithm, prompt and rewards, else the profile's settings.

    Methods: sft, sft-lora, cota, grpo-2, grpo-3, grpo-text-only, grpo-accuracy-only. For cota each
    line of the questions has a field reasoning. Interrupted, the same command goes on.
    """
    from r1aqa_helpers.experiments import methods

    picked, chosen = methods.pick_method(method), pick_profile(profile)
    asked = given(seed=seed, steps=steps, minutes=minutes)
    settings = methods.method_settings(picked, chosen, **asked)
    if not settings.lora_rank:  # steps of full training vanish in shorter numbers
        chosen = replace(chosen, dtype="float32", quantise=None)
    run = partial(methods.train_method, picked)
    _train(run, settings, chosen, model, base, questions, audio_dir, out, push_to)


def _train(
    run: Train,
    settings: Any,
    profile: Profile,
    model: str | None,
    base: str | None,
    questions: Path,
    audio_dir: Path | None,
    out: Path,
    push_to: str | None,
) -> None:
    from r1aqa_helpers.models import check_target, hearing_check, load_for, push
    from r1aqa_helpers.models.lora import describe_trained
    from r1aqa_helpers.training import distributed, steps_made

    asked = read_questions(questions, audio_dir)
    check_writable(out)
    if push_to is not None:
        check_target(push_to)
    announce(replace(profile, model=model or profile.model), settings)
    device = distributed.init(profile.device)
    loaded = load_for(profile, model, base, device)
    hearing_check(loaded, asked)
    trained = describe_trained(loaded.model, settings.lora_rank, settings.tower_frozen)
    typer.echo(f"training {trained}")
    typer.echo(f"trained model: {run(loaded, asked, settings, out)}")
    del loaded  # a model in shards holds on to the group of processes
    made = steps_made(out)
    if push_to is not None and made < settings.steps:
        typer.echo(
            f"not uploaded: stopped after step {made} of {settings.steps}; "
            "the same command goes on, and uploads at the end"
        )
    elif push_to is not None:
        adapter = out / "adapter"
        folder = adapter if adapter.is_dir() else out / "model"
        distributed.run_on_main(lambda: typer.echo(push(folder, push_to, say=typer.echo)))
    distributed.destroy()
