"""Commands about this machine and the course: doctor, lab, quiz."""

import os
from typing import Annotated

import typer

from r1aqa_helpers.cli import options as opt
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.hardware import pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import shown


def doctor(profile: opt.ProfileName = None, as_json: opt.AsJson = False) -> None:
    """Check this machine: what is here, what is missing, and what to do next.

    Looks at the hardware, versions, profile, data, the Hub and its cache, and disk. Downloads and
    changes nothing. Fails where something prevents r1aqa reproduce.
    """
    from r1aqa_helpers.hardware.doctor import examine

    if profile is not None:
        pick_profile(profile)  # an unknown name is a mistake in the command, not a finding
    report = examine(profile)
    opt.echo_result(report.as_dict(), as_json, report.as_text())
    if stops := len(report.stops):
        raise UserError(f"the main job cannot run here yet: findings marked stop: {stops}")
    opt.say("the main job can run")


def lab(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default the first free one from 8888.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Open the course in JupyterLab, at notebook 00, with this Python as its kernel."""
    root, first = DATA.parent, "notebooks/00_start.ipynb"
    if not (root / first).is_file():
        raise UserError(
            f"{shown(root / first)}: is not there; clone the repository, and run the command there"
        )
    # This Python's own kernel comes before one of the same name among the user's.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    try:
        from jupyterlab.labapp import LabApp
    except ImportError as fault:
        raise UserError(f"JupyterLab cannot be imported ({fault}); run: uv sync") from fault
    options = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{first}"]
    options += [] if port is None else [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    options += ["--no-browser"] if no_browser else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")  # as in a container; the server listens to this machine only
    LabApp.launch_instance(argv=options)


def quiz(questions: opt.TestQuestions = None, audio_dir: opt.AudioDir = None) -> None:
    """Answer questions about ten clips yourself; compare your score with the tiny model's.

    It names each recording for you to open; the clips are tiny-mmau's unless --questions names
    others. After an interruption, the same command resumes.
    """
    from r1aqa_helpers.course.widgets import listening_test as listening

    name = "tiny" if questions is None else questions.stem
    if questions is None:
        from r1aqa_helpers.tiny.data import prepare

        questions = prepare().test
    asked = read_questions(questions, audio_dir)
    chosen = listening.pick(asked)
    listening.listen_in_terminal(chosen, listening.answers_file(name), _typed, opt.echo)


def _typed(prompt: str) -> str:
    """A line from the keyboard. Not typer's prompt, which changes the exit code of Ctrl-C."""
    try:
        return input(f"{prompt}: ")
    except EOFError:
        message = "the input ended before the last clip; the same command goes on from here"
        raise UserError(message) from None
