"""What every notebook starts with: profile, seed, style, model and questions."""

import random
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers

from r1aqa_helpers.course.figures.style import use_style
from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.data.mmau.prepare import find_questions
from r1aqa_helpers.hardware import Profile, pick_profile
from r1aqa_helpers.models import LoadedModel, hearing_check, load_for
from r1aqa_helpers.tiny import data
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import shown

#: Where the commands write to, in a clone.
RUNS = DATA.parent / "runs"
#: Libraries whose warnings are hidden; the package's own are shown.
_SILENCED = ("accelerate", "huggingface_hub", "matplotlib", "peft", "torch", "transformers", "trl")
#: Removed when the kernel ends.
_scratch = tempfile.TemporaryDirectory(prefix="r1aqa-notebook-")


@dataclass(frozen=True)
class Lab:
    """One notebook's session.

    Attributes:
        profile: which model, questions and settings; the only thing that differs between tracks.
        seed: of all random draws.
        folder: for files that the notebook writes; gone when the kernel ends.
    """

    profile: Profile
    seed: int
    folder: Path

    def model(self) -> LoadedModel:
        """A fresh copy of the profile's model, after a hearing check whose result is printed.

        Raises:
            UserError: it cannot be loaded, or ignores the audio.
        """
        loaded = load_for(self.profile)
        report = hearing_check(loaded, self.test_questions())
        print(f"hearing check: the model hears ({report.n} questions, with and without clip)")
        return loaded

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
        """The profile's test questions; with n, a sample with each task's share, by the seed.

        Raises:
            UserError: the profile has none, or they cannot be read.
        """
        questions = self._questions("test")
        return questions if n is None else stratified(questions, n, self.seed)

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


def start(profile: str = "tiny", seed: int = 0) -> Lab:
    """Set seeds and style, and print the profile.

    Raises:
        UserError: there is no such profile.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    use_style()
    warnings.filterwarnings("ignore", module=rf"(?:{'|'.join(_SILENCED)})(?:\.|$)")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    chosen = pick_profile(profile)
    print(f"profile {chosen.name}, seed {seed}")
    return Lab(chosen, seed, Path(_scratch.name))


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
