"""What notebook 08 reads from the experiment's runs, claims, and draws; its gradients."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from r1aqa_helpers.course.figures import n08 as figures
from r1aqa_helpers.course.lessons import n08 as lesson
from r1aqa_helpers.course.lessons.n08 import AHEAD, BEHIND, ONE, OPEN, WITHIN, claim
from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.experiments.records import score_record
from r1aqa_helpers.scoring import score
from r1aqa_helpers.training.grpo.objective import group_advantages
from r1aqa_helpers.training.sft import SFTSettings
from r1aqa_helpers.utils.errors import UserError

TASKS = ("sound", "music", "speech")
QUESTIONS = [
    AudioQuestion(f"q{i}", f"{i}.wav", "?", ("yes", "no"), "yes", task=TASKS[i % 3])
    for i in range(60)
]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def scored(right: int, shift: int = 0) -> dict:
    said = {q.id: "yes" if (i + shift) % 60 < right else "no" for i, q in enumerate(QUESTIONS)}
    return score_record(score(QUESTIONS, said), wall=2.0, cpu=3.0)


def record(method: str, seed: int, right: int | None, lr: float = 1e-4, regime: str = "table"):
    traits = {"loss": [1.0] * 10}
    if METHODS[method].algorithm == "grpo":
        traits |= {"accuracy": [0.1 * seed] * 10, "format": [None] * 9 + [1.0]}
    made = {
        "regime": regime, "method": method, "seed": seed, "lr": lr, "hardware": "a machine",
        "training": {"wall_seconds": 60.0, "cpu_seconds": 100.0}, "traits": traits,
        "validation": scored(30), "questions": {"train": "a", "validation": "b"},
        "date": f"2026-11-2{seed}",
    }  # fmt: skip
    if right is not None:
        made |= {"test": scored(right, shift=seed)}
        made["questions"]["test"] = "c"
    return made


@pytest.fixture
def folder(tmp_path):
    runs = [record("sft", seed, 30 + seed) for seed in range(3)]
    runs += [record("grpo-2", seed, 45 + seed) for seed in range(3)]
    runs += [record("sft", 0, None, lr=3e-4), record("sft", 0, 20, regime="few")]
    (tmp_path / "runs").mkdir()
    for number, one in enumerate(runs):
        (tmp_path / "runs" / f"{number}.json").write_text(json.dumps(one))
    return tmp_path


@pytest.fixture
def found(folder, capsys):
    return lesson.committed(folder)


def test_what_is_there_and_what_is_not_is_said(folder, capsys):
    found = lesson.committed(folder)
    told = capsys.readouterr().out
    assert "8 trained models, 7 of them tested, 2026-11-20 to 2026-11-22" in told
    assert "measured on: a machine" in told
    assert "missing: table, cota: seed 0, 1, 2 not tested yet" in told
    assert found.regimes == ["table", "few"]
    assert [row.method for row in found.rows()] == ["sft", "grpo-2"]
    assert found.row("sft", "few").mean == pytest.approx(100 / 3)
    with pytest.raises(UserError, match="few, grpo-2: no tested run"):
        found.row("grpo-2", "few")


def test_runs_traits_and_strict_shares(found):
    assert [run["seed"] for run in found.runs("grpo-2")] == [0, 1, 2]
    assert found.trait("grpo-2", "accuracy") == pytest.approx([0.1] * 10)
    assert np.isnan(found.trait("grpo-2", "format")[0])
    assert found.trait("sft", "format") is None and found.trait("cota", "loss") is None
    exact, silent = found.strict("sft")
    assert exact == pytest.approx(100 * 31 / 60) and silent == 0
    assert [one["lr"] for one in lesson.searched(found.records, "sft")] == [1e-4, 3e-4]
    base = lesson.base_matches(QUESTIONS, {"q0": "<answer>yes</answer>", "q1": "no"})
    assert base == "1" + "0" * 59


def test_paired_is_the_method_minus_the_other_or_minus_the_base(found):
    grpo, sft = found.row("grpo-2"), found.row("sft")
    assert lesson.paired(grpo, sft).difference == pytest.approx(25)
    one = lesson.paired(grpo, "0" * 60, QUESTIONS, "music")
    assert one.difference == pytest.approx(grpo.tasks["music"])
    assert (one.a, one.b, one.holm) == ("grpo-2", "base", None)
    assert lesson.pair_label(one) == "GRPO <2> − base"


def test_both_kinds_of_noise_are_wider_than_either(found):
    grpo, sft = found.row("grpo-2"), found.row("sft")
    ends = lesson.noise_intervals(grpo, sft)
    widths = {name: high - low for name, (low, high) in ends.items()}
    assert list(widths) == ["questions alone", "trainings alone", "both"]
    assert widths["trainings alone"] == 0, "all three differ by 15 of 60"
    assert 0 < widths["questions alone"] <= widths["both"] + 1


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ((3, 9, 0.001, 1, 2), ONE),
        ((1, 6, 0.01, 3, 2), AHEAD),
        ((-6, -1, 0.01, 3, 2), BEHIND),
        ((1, 6, 0.06, 3, 2), OPEN),
        ((-1, 1, 0.7, 3, 2), WITHIN),
    ],
)
def test_a_claim_is_the_first_sentence_that_is_true(evidence, said):
    assert claim(*evidence) == said


def test_a_sentence_holds_the_figures_and_the_claim(found):
    (one,) = found.summary.comparisons
    told = lesson.sentence(one, 2)
    assert told.startswith("GRPO <2> − SFT, full: +25.0 (")
    assert "Holm's p " in told and told.endswith(": ahead")
    assert lesson.sentence(lesson.paired(found.row("sft"), "1" * 60), 2).endswith("behind")
    few = lesson.paired(found.row("sft", "few"), "1" * 60)
    assert lesson.pair_label(few).startswith("100 questions, seen once: SFT")
    assert lesson.claimed(few, 2) == ONE


def test_figures_show_every_method_comparison_and_task(found):
    rates = figures.rates_figure(found)
    assert [line.get_label() for line in rates.axes[0].lines][0] == "SFT, full"
    seeds = figures.seeds_figure(found.rows(), 20.0)
    rings = [line.get_xdata() for line in seeds.axes[0].lines if line.get_marker() == "o"]
    assert [len(ring) for ring in rings] == [3, 3]
    planned = found.summary.comparisons
    forest = figures.forest_figure(planned, 2)
    assert len(forest.axes[0].containers) == len(planned) == 1
    assert "GRPO <2> − SFT, full: +25.0" in figures.forest_text(planned, 2)
    tasks = figures.tasks_figure(found.rows(), dict.fromkeys(TASKS, 10.0))
    assert [len(line.get_xdata()) for line in tasks.axes[0].lines] == [3, 3, 3]
    traits = figures.traits_figure(found, ["sft", "grpo-2"], {"accuracy": "right", "loss": "loss"})
    assert [len(ax.lines) for ax in traits.axes] == [1, 2], "a method without a column is left out"
    assert len(figures.costs_figure(found.rows()).axes[0].lines) == 2
    names = [text.get_text() for text in figures.regimes_figure(found).axes[0].get_yticklabels()]
    assert names == ["800 questions, each seen once", "100 questions, seen once"]


@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 1.0])
def test_the_gradient_of_a_group_is_that_of_drawn_answers(p):
    torch.manual_seed(0)
    right = torch.bernoulli(torch.full((20_000, 8), p))
    advantages = group_advantages(right.flatten(), 8).view(-1, 8)
    drawn = (advantages * (right - p)).mean().item()
    assert lesson.group_gradient(p) == pytest.approx(drawn, abs=0.01)


def test_a_run_is_begun_and_stopped(monkeypatch, tmp_path):
    seen = []

    def train(loaded, questions, settings, folder, watch):
        for step in range(1, settings.steps + 1):
            watch({"step": step})

    monkeypatch.setattr(lesson, "train_sft", train)
    settings = SFTSettings(steps=9)
    asked = (METHODS["sft"], None, QUESTIONS, settings, tmp_path)
    rows = lesson.first_steps(*asked, 4, watch=seen.append)
    assert [row["step"] for row in rows] == [1, 2, 3, 4] and seen == rows
    with pytest.raises(ValueError, match="10 of 9 steps"):
        lesson.first_steps(*asked, 10, watch=seen.append)
