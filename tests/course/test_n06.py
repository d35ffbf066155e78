"""What notebook 06 reads from a run, times and draws."""

from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch
from safetensors.torch import save_file
from trl import GRPOTrainer

from r1aqa_helpers.course.figures import n06 as figures
from r1aqa_helpers.course.lessons import n06 as lesson
from r1aqa_helpers.course.recorded_run import RecordedRun, Rollout
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.hardware import PROFILES, TINY_PROFILE
from r1aqa_helpers.scoring import Accuracy
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_settings_are_the_published_codes_todays_and_the_runs():
    shown = lesson.settings_table(TINY_PROFILE).frame.set_index("")
    published, today, here = (shown[column] for column in shown.columns)
    assert published["learning rate"].endswith("at step 1,000")
    assert (published["KL penalty, beta"], today["KL penalty, beta"]) == ("0.04", "0.0")
    assert today["gradient of the KL"] == "with correction"
    for name in ("KL penalty, beta", "temperature", "loss", "gradient of the KL", "trained"):
        assert here[name] == published[name], name
    assert here["drawn from"] != published["drawn from"]
    assert here["steps planned"] == "100"
    rows = lesson.profiles_table(("tiny", "a100")).frame.set_index("profile")
    assert rows.loc["a100", "trained"] == "LoRA of rank 16"
    steps, each = PROFILES["a100"].grpo["steps"], PROFILES["a100"].grpo["prompts_per_step"]
    assert rows.loc["a100", "questions"] == f"{steps * each:,}"


def test_blocks_are_means_and_the_last_may_be_short():
    names = ("accuracy", "format", "zero_variance_groups", "kl", "completion_length")
    log = [dict.fromkeys(names, float(step)) for step in range(5)]
    frame = lesson.blocks(log, size=2).frame
    assert list(frame["steps"]) == ["1–2", "3–4", "5–5"]
    assert list(frame["accuracy"]) == ["0.50", "2.50", "4.00"]


def test_a_group_varies_or_has_no_variance_in_one_of_two_ways():
    def rollout(step: int, *rewards: float) -> Rollout:
        return Rollout(step, "q", ("a",) * len(rewards), rewards, {}, (0.0,) * len(rewards))

    rewards = {1: (2.0, 0.0), 10: (2.0, 2.0), 11: (1.0, 1.0), 12: (0.0, 0.0)}
    run = RecordedRun(Path(), [], [rollout(step, *r) for step, r in rewards.items()], {})
    varied, perfect, short = lesson.STATES
    assert [lesson.state(r) for r in run.rollouts] == [varied, perfect, short, short]
    assert lesson.counts_by_block(run) == {
        10: {varied: 1, perfect: 1, short: 0},
        20: {varied: 0, perfect: 0, short: 2},
    }


def test_kinds_are_counted_and_tasks_where_there_are_none():
    def question(key: str, **extra: str) -> AudioQuestion:
        return AudioQuestion(key, "q.flac", "?", ("a", "b"), "a", task="sound", extra=extra)

    kind = {"question-type": "count"}
    questions = [question("q1", **kind), question("q2", **kind), question("q3")]
    found = lesson.by_kind(questions, {"q1": 1, "q2": 0, "q3": 1})
    assert found == {"count": (1, 2), "sound": (1, 1)}


def test_the_difference_of_two_runs_is_that_of_the_weight_furthest_apart(tmp_path):
    runs = []
    for name, value in (("a", 1.0), ("b", 1.5)):
        (tmp_path / name / "model").mkdir(parents=True)
        weights = {"same": torch.ones(2), "other": torch.tensor([0.0, value])}
        save_file(weights, tmp_path / name / "model" / "model.safetensors")
        runs.append(SimpleNamespace(folder=tmp_path / name, adapter=None))
    assert lesson.largest_difference(runs[0], runs[0]) == 0
    assert lesson.largest_difference(*runs) == 0.5


def test_the_stopwatch_times_the_parts_and_leaves_the_trainer_as_it_was():
    def own() -> list:
        places = ((AudioGRPOTrainer, "sample"), (GRPOTrainer, "_calculate_rewards"))
        inherited = (AudioGRPOTrainer, "_get_per_token_logps_and_entropies")
        return [vars(kind).get(name) for kind, name in (*places, inherited)]

    before = own()
    weights = torch.nn.Parameter(torch.zeros(1))
    with lesson._stopwatch() as seconds:
        assert own() != before
        weights.grad = torch.ones(1)
        torch.optim.AdamW([weights]).step()
    assert own() == before
    assert seconds["optimizer"] > 0 and seconds["sample"] == 0 and weights.item() != 0


def test_kinds_checkpoints_and_shares_are_drawn():
    fig = figures.kinds_figure({"a": (1, 10), "b": (5, 10)}, {"a": (9, 10), "b": (4, 10)})
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["b", "a"]
    some = [lesson.Checkpoint(0, Accuracy(50, 100)), lesson.Checkpoint(10, Accuracy(70, 100))]
    line = figures.checkpoints_figure(some).axes[0].lines[0]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0, 10], [50, 70])
    shares = {"sample": 0.25, "the rest": 0.75}
    fig = figures.shares_figure(shares)
    assert [bar.get_width() for bar in fig.axes[0].patches][:2] == pytest.approx([25, 75])
    assert [text.get_text() for text in fig.axes[0].texts] == ["sample, 25 %", "the rest, 75 %"]
    assert "sample 25 %, the rest 75 %" in figures.shares_text(shares)
