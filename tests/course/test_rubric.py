"""The capstone's rubric: a complete small project passes, and each missing thing is named."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from r1aqa_helpers.course.rubric import judge_folder
from r1aqa_helpers.course.widgets.playground import compile_reward
from r1aqa_helpers.data import AudioQuestion, read_questions, write_avqa, write_mmau
from r1aqa_helpers.data.audio import load_audio, save_audio
from r1aqa_helpers.experiments.compare import compare
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.models import load
from r1aqa_helpers.reporting.card_results import add_results
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json
from r1aqa_helpers.utils.paths import TINY

REWARD = '''
def reward(completions, solution, **columns):
    """The correct answer, complete, in its tags and with nothing beside them."""
    rewards = []
    for text, answer in zip(completions, solution):
        found = re.fullmatch(r"<answer>([^<]*)</answer>", text.strip())
        rewards.append(float(bool(found) and found[1].strip().lower() == answer.lower()))
    return rewards
'''
pytestmark = pytest.mark.slow  # a real training and evaluation

PITCHES = {"low": 220.0, "middle": 660.0, "high": 1980.0}


def make(folder, name: str, count: int, seed: int) -> list[AudioQuestion]:
    """Questions about tones."""
    rng = np.random.default_rng(seed)
    questions = []
    for number in range(count):
        answer = list(PITCHES)[number % 3]
        seconds = np.arange(16_000) / 16_000
        wave = 0.3 * np.sin(2 * np.pi * PITCHES[answer] * seconds * rng.uniform(0.95, 1.05))
        clip = folder / "clips" / f"{name}-{number}.wav"
        save_audio(clip, wave.astype(np.float32))
        choices = tuple(str(word) for word in rng.permutation(list(PITCHES)))
        questions.append(
            AudioQuestion(f"{name}-{number}", clip, "How high is the tone?", choices, answer,
                          task="sound", dataset="mine")
        )  # fmt: skip
    return questions


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project that was really trained and evaluated."""
    folder = tmp_path_factory.mktemp("capstone") / "mine"
    folder.mkdir()
    write_avqa(folder / "train.jsonl", make(folder, "train", 24, seed=1))
    write_mmau(folder / "test.json", make(folder, "test", 21, seed=2))
    (folder / "reward.py").write_text(REWARD)
    settings = GRPOSettings(
        steps=2, prompts_per_step=2, group_size=4, prompts_per_forward=2, max_completion=8,
        lr=1e-5, save_every=2, seed=0,
    )  # fmt: skip
    loaded = load(TINY / "model", "cpu", "float32")
    questions = read_questions(folder / "train.jsonl")
    train_grpo(loaded, questions, settings, folder / "run", rewards=[compile_reward(REWARD)])
    compare(
        replace(TINY_PROFILE, max_new_tokens=16), folder / "test.json", folder / "evaluation",
        trained=str(folder / "run" / "model"),
    )  # fmt: skip
    add_results(folder / "run" / "model", read_json(folder / "evaluation" / "results.json"))
    card = folder / "run" / "model" / "README.md"
    card.write_text(card.read_text() + "\n## Recordings\n\nTones made by a test; no rights kept.\n")
    return folder


@pytest.fixture
def project(finished, tmp_path):
    """A copy to break; the clips stay where they are."""
    kept = {path.name for path in (finished / "run").glob("checkpoint-*")}
    copy = tmp_path / "copy"
    return shutil.copytree(finished, copy, ignore=lambda _, names: kept & set(names))


def test_a_finished_project_passes(project):
    found = judge_folder(project)
    assert found.passed, repr(found)
    assert found.summary == "6 of 6 parts done"
    texts = {verdict.name: verdict.text for verdict in found.verdicts}
    assert texts["training questions"] == "24 questions about 24 clips"
    assert "2 steps, rewarded by reward" in texts["run"]
    assert "before" in texts["evaluation"] and "n 21" in texts["evaluation"]


def reward(source):
    return lambda folder: (folder / "reward.py").write_text(source)


def edit(path, change):
    """Rewrite a file of questions, lines or one list, each row by ``change(number, row)``."""
    lines = path.suffix == ".jsonl"
    text = path.read_text()
    rows = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
    for number, row in enumerate(rows):
        change(number, row)
    told = "".join(json.dumps(row) + "\n" for row in rows) if lines else json.dumps(rows)
    path.write_text(told)


def silent(folder):
    audio = read_questions(folder / "train.jsonl")[3].audio
    save_audio(audio, np.zeros(16_000, np.float32))


def unshuffled(folder):
    def gold_first(_, row):
        gold = row["multi_choice"].pop(row["answer"])
        row.update(multi_choice=[gold, *row["multi_choice"]], answer=0)

    edit(folder / "train.jsonl", gold_first)


def leaked_quietly(folder):
    """The same sound at another level, in another format."""
    wave = load_audio(read_questions(folder / "train.jsonl")[0].audio)
    save_audio(folder / "clips" / "quiet.flac", 0.4 * wave)
    other = {"audio_id": "./clips/quiet.flac"}
    edit(folder / "test.json", lambda number, row: number == 5 and row.update(other))


def same_take(folder):
    edit(folder / "train.jsonl", lambda number, row: row.update(takes=["monday 3", str(number)]))
    edit(folder / "test.json", lambda number, row: row.update(takes=["tuesday", "monday 3"]))


def readable(folder):
    """The correct choice is the longest in both files."""

    def in_test(_, row):
        told = row["answer"] + ", as one hears"
        row["choices"] = [told if c == row["answer"] else c for c in row["choices"]]
        row["answer"] = told

    def in_training(_, row):
        row["multi_choice"][row["answer"]] += ", as one hears"

    edit(folder / "train.jsonl", in_training)
    edit(folder / "test.json", in_test)


def unsaid(folder):
    card = folder / "run" / "model" / "README.md"
    card.write_text(card.read_text().replace("Tones made by a test; no rights kept.", ""))


def other_test(folder):
    edit(folder / "test.json", lambda _, row: row.update(question="How low is the tone?"))


def run_json(change):
    def changed(folder):
        known = read_json(folder / "run" / "run.json")
        change(known)
        write_json(folder / "run" / "run.json", known)

    return changed


@pytest.mark.parametrize(
    "change, part, message",
    [
        (lambda folder: (folder / "train.jsonl").unlink(), "training questions", "train.jsonl"),
        (silent, "training questions", "its clip is silent"),
        (unshuffled, "training questions", "put the choices in random order"),
        (leaked_quietly, "test questions", "is about a clip of the training"),
        (same_take, "test questions", "is about take 'monday 3', which is in training"),
        (readable, "test questions", "which hears nothing, gets 100 %"),
        (reward("def reward(:\n"), "reward", "reward.py: SyntaxError"),
        (reward("def reward(completions, **c):\n    return [1.0] * len(completions)"), "reward",
         "a wrong answer earns as much"),
        (reward(REWARD.replace("def reward", "def pay")), "reward", "is pay; call it reward"),
        (reward("def reward(completions, solution, **c):\n"
                "    return [float(a in t) for t, a in zip(completions, solution)]"), "reward",
         "attacks succeed: "),
        (run_json(lambda known: known.pop("rewards")), "run", "did not use your reward"),
        (run_json(lambda known: known["settings"].update(steps=50)), "run",
         "2 of 50 steps are done"),
        (other_test, "evaluation", "is of other questions than test.json"),
        (unsaid, "model card", "has no section '## Recordings'"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(project, finished, change, part, message):
    # Clips have absolute paths, and those of the copy are to be broken.
    for name in ("train.jsonl", "test.json"):
        path = project / name
        path.write_text(path.read_text().replace(str(finished), str(project)))
    change(project)
    found = judge_folder(project)
    failed = {verdict.name: verdict.text for verdict in found.verdicts if not verdict.passed}
    assert message in failed[part] and not found.passed, failed
    assert str(project) not in failed[part] and "\n" not in failed[part]
    assert len(found.verdicts) == 6


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        judge_folder(tmp_path / "none")
