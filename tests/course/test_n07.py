"""What notebook 08 reads from the experiment's runs, claims, and draws; its gradients."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from r1aqa_helpers.course.lessons import n07 as lesson
from r1aqa_helpers.course.lessons.n07 import AHEAD, BEHIND, ONE, OPEN, WITHIN, claim
from r1aqa_helpers.experiments.methods import METHODS
from r1aqa_helpers.training.grpo.objective import group_advantages
from r1aqa_helpers.training.sft import SFTSettings
from r1aqa_helpers.utils.errors import UserError


@pytest.fixture
def folder(run_record, tmp_path):
    runs = [run_record("sft", seed, 30 + seed) for seed in range(3)]
    runs += [run_record("grpo-2", seed, 45 + seed) for seed in range(3)]
    runs += [run_record("sft", 0, None, lr=3e-4), run_record("sft", 0, 20, regime="few")]
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
    assert "missing: table, cota: seed 0, 1, 2, 3, 4 not tested yet" in told
    assert "missing: few, sft: seed 1, 2, 3, 4 not tested yet" in told
    assert "missing: all: not run yet" in told and "untrained" not in told
    assert found.regimes == ["table", "few"]
    assert [row.method for row in found.rows()] == ["sft", "grpo-2"]
    assert found.row("sft", "few").mean == pytest.approx(100 / 3)
    with pytest.raises(UserError, match="few, grpo-2: no tested run"):
        found.row("grpo-2", "few")


def test_runs_traits_and_strict_shares(found, yes_questions):
    assert [run["seed"] for run in found.runs("grpo-2")] == [0, 1, 2]
    assert found.trait("grpo-2", "accuracy") == pytest.approx([0.1] * 10)
    assert np.isnan(found.trait("grpo-2", "format")[0])
    assert found.trait("sft", "format") is None and found.trait("cota", "loss") is None
    exact, silent = found.strict("sft")
    assert exact == pytest.approx(100 * 31 / 60) and silent == 0
    assert [one["lr"] for one in lesson.searched(found.records, "sft")] == [1e-4, 3e-4]
    base = lesson.base_matches(yes_questions, {"q0": "<answer>yes</answer>", "q1": "no"})
    assert base == "1" + "0" * 59


def test_paired_is_the_method_minus_the_other_or_minus_the_base(found, yes_questions):
    grpo, sft = found.row("grpo-2"), found.row("sft")
    assert lesson.paired(grpo, sft).difference == pytest.approx(25)
    one = lesson.paired(grpo, "0" * 60, yes_questions, "music")
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


def test_comparisons_are_told_or_said_to_be_missing(found):
    assert found.told("grpo-2", "sft", 2).startswith("GRPO <2> − SFT, full: +25.0 (")
    assert [(c.a, c.b) for c in found.planned] == [("grpo-2", "sft")] and not found.apart
    few, *_, compute, everything = found.told_apart(2)
    assert few == "100 questions, seen once: GRPO <2> − SFT, full: not run yet"
    where = "(as much processor time as GRPO <2>)"
    assert compute == f"GRPO <2> − SFT, full {where}: not run yet"
    assert everything.startswith("all 4,000 questions, seen twice: SFT on CoTA − SFT, full")
    each = lesson.per_seed(found.row("grpo-2"), found.row("sft"))
    assert list(each) == [0, 1, 2] and each[0].difference == pytest.approx(25)


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
    few = replace(lesson.paired(found.row("sft"), "1" * 60), regime="few")
    assert lesson.pair_label(few).startswith("100 questions, seen once: SFT")
    assert lesson.claimed(replace(few, seeds=(0,)), 2) == ONE
    with pytest.raises(UserError, match="need two tested seeds"):
        lesson.paired(found.row("sft", "few"), "1" * 60)


@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 1.0])
def test_the_gradient_of_a_group_is_that_of_drawn_answers(p):
    torch.manual_seed(0)
    correct = torch.bernoulli(torch.full((20_000, 8), p))
    advantages = group_advantages(correct.flatten(), 8).view(-1, 8)
    drawn = (advantages * (correct - p)).mean().item()
    assert lesson.group_gradient(p) == pytest.approx(drawn, abs=0.01)


def test_a_run_is_begun_and_stopped(monkeypatch, tmp_path, yes_questions):
    seen = []

    def train(loaded, questions, settings, folder, watch):
        for step in range(1, settings.steps + 1):
            watch({"step": step})

    monkeypatch.setattr(lesson, "train_sft", train)
    settings = SFTSettings(steps=9)
    asked = (METHODS["sft"], None, yes_questions, settings, tmp_path)
    rows = lesson.first_steps(*asked, 4, watch=seen.append)
    assert [row["step"] for row in rows] == [1, 2, 3, 4] and seen == rows
    with pytest.raises(ValueError, match="10 of 9 steps"):
        lesson.first_steps(*asked, 10, watch=seen.append)
