"""``r1aqa train``: GRPO and supervised fine-tuning."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from r1aqa_helpers.cli.frame import OPTIONS, given
from r1aqa_helpers.cli.options import AudioDir, OtherModel, ProfileName, Questions, Seed
from r1aqa_helpers.profiles import Profile, pick_profile
from r1aqa_helpers.questions import read_questions
from r1aqa_helpers.run_folder import check_writable

train_app = typer.Typer(help="Train a model on a file of questions.", **OPTIONS)
OutFolder = Annotated[Path, typer.Option("--out", help="Folder of the training run.")]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Training steps; by default the profile's.")
]


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
    settings = GRPOSettings(**{**chosen.grpo, **given(seed=seed, steps=steps)})
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
    settings = SFTSettings(**{**chosen.sft, **given(seed=seed, steps=steps)})
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
    from r1aqa_helpers import processes
    from r1aqa_helpers.models import listening_check, load

    asked = read_questions(questions, audio_dir)
    check_writable(out)
    device = processes.join(profile.device)
    loaded = load(model or profile.model, device=device, dtype=profile.dtype)
    listening_check(loaded, asked)
    typer.echo(f"trained model: {run(loaded, asked, settings, out)}")
    processes.leave()
