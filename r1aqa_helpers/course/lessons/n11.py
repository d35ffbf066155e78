"""The capstone: a plan that is registered before the data, and sounds of one's own.

A *take* is one performance of a sound. A *clip* is what a question is about: two takes, one
after the other, at some level and with some noise. A take may be in several clips; so it is
takes that are split, not clips.
"""

import inspect
import shutil
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from r1aqa_helpers.course.runs import Run
from r1aqa_helpers.course.widgets.playground import compile_reward
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import SAMPLE_RATE, load_audio, save_audio
from r1aqa_helpers.models import CARD
from r1aqa_helpers.scoring import McNemar
from r1aqa_helpers.tiny.question_types import arrange
from r1aqa_helpers.tiny.sounds import SYNTHS
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import PathLike, file_hash, read_json, write_json, write_text
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: Seconds of a frame in which loudness is taken, and kept on either side of a piece.
_FRAME, _MARGIN = 0.01, 0.05
#: Seconds: what is shorter is a click.
_SHORTEST = 0.04
#: Seconds of quiet before a clip's first take, at most, and between its takes.
_LEAD, _GAP = 0.3, (0.1, 0.3)


@dataclass(frozen=True)
class Plan:
    """An experiment as it was decided before anything was trained.

    Attributes:
        question: in a sentence that ends with a question mark.
        changed: what differs between the two runs, and ``constant`` what does not.
        outcome: what is measured, on how many questions.
        test: which decides.
        margin: the smallest difference, in points, that would matter.
    """

    question: str
    changed: str
    constant: str
    outcome: str
    test: str
    margin: float

    def register(self, path: PathLike) -> None:
        """Write the plan to a file, and print what it is recognised by.

        Raises:
            UserError: another plan is registered there.
        """
        path = Path(path)
        if path.exists() and read_json(path) != asdict(self):
            raise UserError(
                f"{shown(path)}: holds another plan; a plan is not changed once it is registered, "
                "so give the new one a file of its own and report both"
            )
        write_json(path, asdict(self))
        print(f"registered: {path.name}, sha256 {file_hash(path)[:12]}")

    def claim(self, test: McNemar, interval: tuple[float, float]) -> str:
        """What one run each may claim, by a rule that was fixed with the plan.

        Args:
            test: the changed run against the other.
            interval: 95 %, of the difference in points.
        """
        low, high = interval
        measured = f"{test.difference:+.1f} points ({low:+.1f} to {high:+.1f}), n {test.n}"
        if test.p < 0.05:
            found = "the changed run is better" if test.difference > 0 else "it is worse"
        elif max(-low, high) <= self.margin:
            found = f"any difference is smaller than {self.margin:g} points"
        else:
            found = "inconclusive"
        return f"{found}: {measured}, p {test.p:.2g}. One seed each: a claim about two models."


@dataclass(frozen=True)
class Take:
    """One performance.

    Attributes:
        label: what it is: the correct answer of questions about it.
        name: unique, and says where it comes from.
        wave: float32 (samples,) at 16 kHz.
    """

    label: str
    name: str
    wave: np.ndarray = field(repr=False, compare=False)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.wave) / SAMPLE_RATE


@dataclass(frozen=True)
class Clip:
    """Two takes, one after the other, in a file."""

    audio: Path
    label: str  #: of the last take
    takes: tuple[str, str]  #: their names, in order


def render(name: str, rng: np.random.Generator) -> np.ndarray:
    """One rendition of a sound that is code (`tiny.sounds`): float32 (samples,), peak 0.7.

    About a second long; beeps, knocks and drops have a length of their own.

    Raises:
        UserError: there is no such sound.
    """
    if name not in SYNTHS:
        raise UserError(f"sound {shown_value(name)}: is not among {', '.join(SYNTHS)}")
    wave = SYNTHS[name](rng, rng.uniform(0.8, 1.4))
    return (0.7 * wave / np.abs(wave).max()).astype(np.float32)


def write_takes(folder: PathLike, names: Sequence[str], count: int, seed: int = 0) -> None:
    """Render each sound ``count`` times, into the folders that somebody who records would make.

    Raises:
        UserError: there is no such sound, or the folder cannot be written.
    """
    for number, name in enumerate(names):
        for take in range(count):
            wave = render(name, np.random.default_rng([seed, number, take]))
            save_audio(Path(folder) / name / f"{take:02}.flac", wave)


def cut_at_pauses(
    wave: np.ndarray, pause: float = 0.4, level_db: float = -30.0
) -> list[np.ndarray]:
    """The pieces of a recording between its pauses, each with a margin of 0.05 s.

    Args:
        wave: float32 (samples,) at 16 kHz.
        pause: seconds of quiet that part two pieces; shorter ones stay inside.
        level_db: what is quieter than the loudest moment by this much is quiet.

    Returns:
        In order; clicks of less than 0.04 s are left out. Empty for silence.
    """
    frame = int(_FRAME * SAMPLE_RATE)
    frames = np.pad(wave, (0, -len(wave) % frame)).reshape(-1, frame)
    rms = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))
    loud = np.flatnonzero((rms > rms.max() * 10 ** (level_db / 20)) & (rms > 0))
    pieces = []
    for run in np.split(loud, np.flatnonzero(np.diff(loud) > pause / _FRAME) + 1):
        if len(run) and (run[-1] + 1 - run[0]) * _FRAME >= _SHORTEST:
            start = max(0, run[0] * frame - int(_MARGIN * SAMPLE_RATE))
            pieces.append(wave[start : (run[-1] + 1) * frame + int(_MARGIN * SAMPLE_RATE)])
    return pieces


def read_takes(folder: PathLike, pause: float = 0.4) -> list[Take]:
    """The takes in a folder with one subfolder per label, in order of their names.

    A file may hold one take or many, with pauses between; see `cut_at_pauses`.

    Raises:
        UserError: fewer than two labels, a label without recordings, or a file that is no
            audio, or silent.
    """
    folder = Path(folder)
    labels = sorted(p for p in folder.glob("*") if p.is_dir() and not p.name.startswith("."))
    if len(labels) < 2:
        raise UserError(
            f"{shown(folder)}: has {len(labels)} subfolders; make one for each answer, two or more"
        )
    takes = []
    for place in labels:
        files = sorted(p for p in place.iterdir() if p.is_file() and not p.name.startswith("."))
        if not files:
            raise UserError(f"{shown(place)}: is empty; put recordings of it there")
        for path in files:
            pieces = cut_at_pauses(load_audio(path), pause)
            if not pieces:
                raise UserError(f"{shown(path)}: holds no sound; record it again")
            for number, piece in enumerate(pieces, start=1):
                name = f"{place.name}/{path.name}"
                name += f" ({number})" if len(pieces) > 1 else ""
                takes.append(Take(place.name, name, piece))
    return takes


def split_takes(takes: Sequence[Take], test: int, seed: int = 0) -> tuple[list[Take], list[Take]]:
    """Training takes and test takes: of each label ``test`` takes, drawn by the seed, for the test.

    Raises:
        UserError: a label has no more than ``test`` takes, so that none would be left.
    """
    rng = np.random.default_rng(seed)
    held: set[str] = set()
    for label, count in sorted(Counter(take.label for take in takes).items()):
        if count <= test:
            raise UserError(
                f"{shown_value(label)}: has {count} takes, of which {test} would go to the test; "
                "record more, or test on fewer"
            )
        names = [take.name for take in takes if take.label == label]
        held |= {names[i] for i in rng.permutation(count)[:test]}
    return [t for t in takes if t.name not in held], [t for t in takes if t.name in held]


def make_clips(
    takes: Sequence[Take], folder: PathLike, window: float, count: int = 1, seed: int = 0
) -> list[Clip]:
    """Clips in random order, in each of which one of the takes is heard after another.

    Each take comes last in ``count`` clips, after a take of another label that is drawn; start,
    gap, levels and noise are drawn, too. The files have numbers for names, which tell nothing.

    Args:
        window: seconds that the model hears.

    Raises:
        UserError: two takes are longer than the window, or the folder cannot be written.
    """
    rng = np.random.default_rng(seed)
    clips = []
    for number, place in enumerate(rng.permutation(len(takes) * count)):
        last = takes[place // count]
        others = [take for take in takes if take.label != last.label]
        first = others[rng.integers(len(others))]
        gap = rng.uniform(*_GAP)
        spare = window - first.seconds - gap - last.seconds
        if spare < 0:
            raise UserError(
                f"takes {shown_value(first.name)} and {shown_value(last.name)}: last "
                f"{window - spare:.1f} s one after the other, and the model hears {window:g} s; "
                "make them shorter"
            )
        parts = [_quiet(rng.uniform(0, min(_LEAD, spare))), first.wave, _quiet(gap), last.wave]
        for sound in (1, 3):
            parts[sound] = parts[sound] * (rng.uniform(0.5, 0.9) / np.abs(parts[sound]).max())
        wave = np.concatenate(parts)
        noise = 10 ** (-rng.uniform(20, 35) / 20) * np.sqrt(np.mean(wave**2))
        wave = np.clip(wave + noise * rng.standard_normal(len(wave)), -1, 1)
        audio = Path(folder) / f"{number:03}.flac"
        save_audio(audio, wave.astype(np.float32))
        clips.append(Clip(audio, last.label, (first.name, last.name)))
    return clips


def _quiet(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def ask_about(
    clips: Sequence[Clip], question: str, dataset: str, task: str, seed: int = 0
) -> list[AudioQuestion]:
    """The same question about each clip, all labels as choices, the clip's as the answer.

    The correct choice stands in each place equally often, the others around it in random order.
    The takes' names are kept in the field ``takes``, which shows that training and test share none.
    An id ends with the clip's digest: questions about other sounds are other questions.
    """
    rng = np.random.default_rng(seed)
    labels = sorted({clip.label for clip in clips})
    places: list[int] = []
    questions = []
    for number, clip in enumerate(clips):
        places = places or [int(place) for place in rng.permutation(len(labels))]
        wrong = [label for label in labels if label != clip.label]
        questions.append(
            AudioQuestion(
                id=f"{dataset}-{number:03}-{file_hash(clip.audio)[:6]}",
                audio=clip.audio,
                question=question,
                choices=tuple(arrange(rng, clip.label, wrong, places.pop())),
                answer=clip.label,
                task=task,
                dataset=dataset,
                extra={"takes": list(clip.takes)},
            )
        )
    return questions


def save_reward(reward: Callable[..., Sequence[float]], path: PathLike) -> None:
    """Write a notebook's reward function to a file that stands alone.

    Raises:
        UserError: its source is not to be had, or does not run by itself.
    """
    try:
        source = textwrap.dedent(inspect.getsource(reward))
    except (OSError, TypeError):
        raise UserError("reward: has no source; define it with def in a cell") from None
    compile_reward(source)
    write_text(path, source)


def keep_run(run: Run, folder: Path) -> None:
    """Put a run into the project's folder as ``run``: a link to it, or a copy."""
    place = folder / "run"
    if place.is_symlink():
        place.unlink()
    elif place.is_dir():
        shutil.rmtree(place)
    try:
        place.symlink_to(run.folder.resolve(), target_is_directory=True)
    except OSError:  # Windows, without the right to make links
        shutil.copytree(run.folder, place)


def add_section(model: Path, section: str) -> None:
    """Add a section to the model card in ``model``, unless it is there.

    Raises:
        UserError: there is no card.
    """
    text = (model / CARD).read_text(encoding="utf-8")
    if section.strip() not in text:
        write_text(model / CARD, f"{text.rstrip()}\n\n{section.strip()}\n")
