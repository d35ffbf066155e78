"""What every notebook starts with: profile, seed, style, model and questions."""

import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from r1aqa_helpers.course.answer_groups import sample_groups
from r1aqa_helpers.course.figures.style import use_style
from r1aqa_helpers.course.group_rewards import JudgedGroup, judge
from r1aqa_helpers.course.models import Models
from r1aqa_helpers.course.runs import Run, open_run, plan_run, run_name, taking_turns
from r1aqa_helpers.course.training_curves import LiveCurves
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.data.mmau.prepare import find_questions
from r1aqa_helpers.evaluation.local import Prediction, answer_questions
from r1aqa_helpers.experiments.methods import THOUGHT, Method, pick_method, train_method
from r1aqa_helpers.experiments.records import questions_digest
from r1aqa_helpers.experiments.session import is_trained
from r1aqa_helpers.hardware import Profile, pick_profile
from r1aqa_helpers.models import LoadedModel, hearing_check, weights_fingerprint
from r1aqa_helpers.tiny import data
from r1aqa_helpers.tiny.reasoning import with_reasoning
from r1aqa_helpers.training.grpo.run import GRPOSettings
from r1aqa_helpers.training.rewards import RewardFunction, rewards_for
from r1aqa_helpers.training.sft import SFTSettings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import json_digest
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import shown

#: Where the commands write to, in a clone.
RUNS = DATA.parent / "runs"
#: Environment variables: where the notebooks' runs lie instead, and the seed that they start with.
RUNS_VARIABLE, SEED_VARIABLE = "R1AQA_RUNS", "R1AQA_SEED"
#: The question that the whole course follows.
EXAMPLE = "tiny-avqa-train-0114"
#: Which questions are drawn depends on no notebook's seed: bands are of training and sampling.
_DRAW = 0
#: Libraries whose warnings are hidden; the package's own are shown.
_SILENCED = ("accelerate", "huggingface_hub", "matplotlib", "peft", "torch", "transformers", "trl")
#: Removed when the kernel ends.
_scratch = tempfile.TemporaryDirectory(prefix="r1aqa-notebook-")


@dataclass
class Lab:
    """One notebook's session.

    Attributes:
        profile: which model, questions and settings; the only thing that differs between tracks.
        seed: of training and sampling.
        folder: for files that the notebook writes; gone when the kernel ends.
        runs: of trainings and answers, which other notebooks use, too.
    """

    profile: Profile
    seed: int
    folder: Path
    runs: Path = RUNS / "course"

    def __post_init__(self) -> None:
        self._models = Models(self.profile)
        self._heard = False

    def model(self, run: Run | None = None) -> LoadedModel:
        """The profile's model, or a run's, after a hearing check whose result is printed.

        On a GPU it replaces the one before, see `Models`.

        Raises:
            UserError: it cannot be loaded, or ignores the audio.
        """
        loaded = self._load(run)
        report = hearing_check(loaded, self.test_questions())
        self._heard = True
        print(f"hearing check: the model hears ({report.n} questions, with and without clip)")
        return loaded

    def free(self) -> None:
        """Give a GPU's memory back, before code that loads models by itself."""
        self._models.free()

    def train(
        self,
        method: str,
        steps: int | None = None,
        *,
        start: Run | None = None,
        questions: Sequence[AudioQuestion] | None = None,
        rewards: Sequence[RewardFunction] | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> Run:
        """Train the profile's model, and show the training's curves, live and afterwards.

        A run that is finished already is used as it is; one that was interrupted goes on. The
        run's folder is named by what it is: the same call finds it again, from any notebook.

        Args:
            method: a name of `experiments.methods.METHODS`, such as "grpo-2" or "sft".
            steps: the profile's number at most, and by default.
            start: train this run's model on; by default the profile's, or that of the method
                which ``method`` starts from, trained for as many steps.
            questions: by default all training questions.
            rewards: of GRPO, in place of the method's, see `train_grpo`.
            name: of the run, in place of the method's.
            settings: other fields of ``GRPOSettings`` or ``SFTSettings``, such as ``beta``.

        Raises:
            UserError: an unknown method or setting; a run that does not fit the GPU; or as
                `train_grpo` and `train_sft`.
        """
        chosen = pick_method(method)
        if rewards is not None:
            chosen = replace(chosen, rewards=tuple(rewards))
        planned = plan_run(chosen, self.profile, self.seed, steps, **settings)
        if start is None and chosen.start is not None:
            start = self.train(chosen.start, steps)
        base = self.profile.model if start is None else str(start.folder / "model")
        asked = self.train_questions() if questions is None else questions
        if chosen.learns == THOUGHT:
            asked = with_reasoning(asked, data.recipes("train"))
        called = run_name(name or method, planned, asked, base, rewards)
        folder = self.runs / self.profile.name / called
        with taking_turns(folder.with_name(f"{called}.lock"), method):
            if not is_trained(folder, planned.steps):
                self._train(chosen, base, asked, planned, folder)
        run = open_run(folder, chosen, base, asked)
        if len(run.log) < planned.steps:
            print(f"{method}: its minutes are over; the same call goes on")
            return run
        print(f"{method}: {planned.steps} steps, seed {self.seed}")
        run.curves()
        return run

    def ask(
        self, questions: Sequence[AudioQuestion], prompt: int = 2, run: Run | None = None
    ) -> list[Prediction]:
        """Greedy answers of the profile's model, or a run's, in the order of the questions.

        Kept beside the run: the same questions are not asked twice.

        Raises:
            UserError: the model cannot be loaded, or ignores the audio; a clip cannot be read.
        """
        loaded = self._load(run)
        self._check_once(loaded)
        longest = self.profile.max_new_tokens
        folder = self.runs / self.profile.name / "base" if run is None else run.folder
        said = json_digest([questions_digest(questions), weights_fingerprint(loaded), longest])
        log = folder / f"answers-prompt-{prompt}-{said}.jsonl"
        with taking_turns(log.with_suffix(".lock"), f"asking, prompt <{prompt}>"):
            return answer_questions(
                loaded,
                questions,
                prompt=prompt,
                batch_tokens=self.profile.eval_tokens,
                max_new_tokens=longest,
                log=log,
            )

    def sample_group(self, question: AudioQuestion, prompt: int = 2, size: int = 8) -> JudgedGroup:
        """Answers of the profile's model, sampled by the seed, with their rewards.

        The rewards are the paper's, see `rewards_for`. Raises as `ask`.
        """
        loaded = self._load(None)
        self._check_once(loaded)
        (group,) = sample_groups(loaded, [question], prompt, size, self.seed)
        return judge(group, rewards_for(prompt))

    def example(self) -> AudioQuestion:
        """The course's own question, a training question of the tiny track, on every profile."""
        questions = read_questions(data.prepare().train)
        return next(question for question in questions if question.id == EXAMPLE)

    def train_questions(self) -> list[AudioQuestion]:
        """The profile's training questions, with their clips, without the validation questions.

        Raises:
            UserError: the profile has none, or they cannot be read.
        """
        return self._questions("train")

    def validation_questions(self) -> list[AudioQuestion]:
        """Questions for choosing settings, never trained on and never reported.

        A file of their own on the tiny track; elsewhere the last tenth of the training file.

        Raises:
            UserError: as ``train_questions``.
        """
        return self._questions("validation")

    def test_questions(self, n: int | None = None) -> list[AudioQuestion]:
        """The profile's test questions; with n, a sample with each task's share, always the same.

        A file of one's own may hold fewer than n: then all.

        Raises:
            UserError: the profile has none, or they cannot be read.
        """
        questions = self._questions("test")
        return questions if n is None else stratified(questions, min(n, len(questions)), _DRAW)

    def _load(self, run: Run | None) -> LoadedModel:
        """The model of a run, or the profile's."""
        if run is None:
            return self._models.get(self.profile.model)
        if self._models.one_at_a_time and run.adapter is not None:
            return self._models.get(run.base, run.adapter)
        return self._models.get(run.folder / "model")

    def _check_once(self, loaded: LoadedModel) -> None:
        """The hearing check, unless this session has made one."""
        if not self._heard:
            hearing_check(loaded, self.test_questions())
            self._heard = True

    def _train(
        self,
        method: Method,
        base: str,
        questions: Sequence[AudioQuestion],
        settings: SFTSettings | GRPOSettings,
        folder: Path,
    ) -> None:
        loaded = self._models.get(base)
        self._check_once(loaded)
        longest = self.profile.grpo.get("max_completion", self.profile.max_new_tokens)
        live = LiveCurves(settings.steps)
        try:
            train_method(method, loaded, questions, settings, folder, longest, live)
        finally:
            live.close()
            self._models.free()  # its weights are no longer the base's
        if is_trained(folder, settings.steps):
            for checkpoint in folder.glob("checkpoint-*"):
                shutil.rmtree(checkpoint)

    def _questions(self, split: str) -> list[AudioQuestion]:
        if self.profile.tiny_questions:
            return read_questions(getattr(data.prepare(), split))
        if split == "test":
            path = self.profile.test or find_questions("mmau-test-mini-v1", RUNS)
            return read_questions(path, self.profile.audio_dir)
        path = self.profile.train or RUNS / "avqa" / "avqa-train.jsonl"
        if self.profile.train is None and not path.is_file():
            raise UserError(f"{shown(path)}: no such file; run r1aqa data fetch avqa")
        questions = read_questions(path, self.profile.audio_dir)
        held_out = max(1, len(questions) // 10)
        return questions[:-held_out] if split == "train" else questions[-held_out:]


def start(profile: str = "tiny", seed: int | None = None) -> Lab:
    """Set seeds and style, and print the profile.

    Args:
        profile: its name.
        seed: by default 0, or the environment's ``R1AQA_SEED``, with which
            `scripts/notebooks.py bands` runs a notebook several times.

    Raises:
        UserError: there is no such profile.
    """
    seed = int(os.environ.get(SEED_VARIABLE, "0")) if seed is None else seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    use_style()
    warnings.filterwarnings("ignore", module=rf"(?:{'|'.join(_SILENCED)})(?:\.|$)")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    chosen = pick_profile(profile)
    print(f"profile {chosen.name}, seed {seed}")
    return Lab(
        chosen,
        seed,
        Path(_scratch.name),
        Path(os.environ.get(RUNS_VARIABLE) or RUNS / "course"),
    )


def stratified(questions: list[AudioQuestion], n: int, seed: int) -> list[AudioQuestion]:
    """N questions in file order, of each task its share (to one question), drawn by the seed.

    Raises:
        ValueError: n is not from 1 to the number of questions.
    """
    if not 1 <= n <= len(questions):
        raise ValueError(f"{n} questions wanted of {len(questions)}")
    rng = random.Random(seed)
    by_task: dict[str | None, list[int]] = {}
    for index, question in enumerate(questions):
        by_task.setdefault(question.task, []).append(index)
    for indices in by_task.values():
        rng.shuffle(indices)
    # Taken in turn from the task that is furthest behind its share.
    taken = dict.fromkeys(by_task, 0)
    chosen = []
    for _ in range(n):
        task = min(by_task, key=lambda t: (taken[t] + 1) / len(by_task[t]))
        chosen.append(by_task[task][taken[task]])
        taken[task] += 1
    return [questions[index] for index in sorted(chosen)]
