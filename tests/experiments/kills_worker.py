"""Run by test_kills.py: work that is killed at seeded moments and started again until it ends.

The work is done in forks of this process, which has imported everything: a start takes no time.
"""

import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import r1aqa_helpers.evaluation.local
import r1aqa_helpers.training.grpo.run
import r1aqa_helpers.training.sft  # noqa: F401
from r1aqa_helpers.cli import app
from r1aqa_helpers.experiments import plan
from r1aqa_helpers.experiments.sweep import Experiment
from r1aqa_helpers.hardware import PROFILES
from r1aqa_helpers.tiny.data import prepare


def attempt(work: Callable[[Path], object], out: Path, seconds: float | None = None) -> bool:
    """Do the work in a child, with its own children killed after so many seconds; is it done?"""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
        try:
            work(out)
            status = 0
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.setpgid(pid, pid)  # here, as the child may not have begun when it is killed
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0, f"exit status {status}"
            return True
        if seconds is not None and time.monotonic() - begun > seconds:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.002)


def command(arguments: list[str]) -> Callable[[Path], object]:
    """The work of an ``r1aqa`` command that is given ``--out``."""
    settings = {"save_every": 2, "steps": 6}
    tiny = PROFILES["tiny"]
    small = {"prompts_per_step": 2, "prompts_per_forward": 2, "group_size": 2, "max_completion": 4}
    PROFILES["tiny"] = replace(
        tiny,
        sft={**tiny.sft, **settings, "batch_size": 2, "rows_per_forward": 2},
        grpo={**tiny.grpo, **settings, **small},
    )

    def work(out: Path) -> None:
        sys.exit(app([*arguments, "--out", str(out)], standalone_mode=False))

    return work


def experiment(given: str) -> Callable[[Path], object]:
    """The work of ``r1aqa experiment run``, of one method."""
    profile, splits, regime = pickle.loads(Path(given).read_bytes())
    plan.FURTHER, plan.MULTIPLIERS = 0, (1.0,)
    return lambda out: Experiment(profile, splits, out, 1, say=lambda text: None).run([regime])


def rendering() -> Callable[[Path], object]:
    """The work of ``r1aqa data prepare``, of the files of questions in each folder."""
    context = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda _: context
    return lambda out: prepare(folder=out)


if __name__ == "__main__":
    kind, given, kills, place = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    work = {"command": command, "experiment": experiment, "rendering": rendering}[kind](*given)

    def folder(name: str) -> Path:
        template = Path(place, "template")
        made = Path(place, name)
        if template.exists():
            shutil.copytree(template, made)
        return made

    begun = time.monotonic()
    attempt(work, folder("whole"))
    longest, moments = time.monotonic() - begun, random.Random(0)
    killed = number = 0
    while killed < kills:
        out, number = folder(f"torn{number}"), number + 1
        while killed < kills and not attempt(work, out, moments.uniform(0, longest)):
            killed += 1
        attempt(work, out)  # done, or done again: nothing may change
    print(f"{killed} kills, {number} runs, {longest:.1f} s each")
