"""What notebook 07 reads from the experiment's runs, claims, and draws; its gradients."""

import json
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from r1aqa_helpers.course.figures import n07 as figures
from r1aqa_helpers.course.lessons import n07 as lesson
from r1aqa_helpers.course.lessons.n07 import AHEAD, BEHIND, ONE, OPEN, WITHIN, claim
from r1aqa_helpers.training.grpo.objective import group_advantages
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
    assert "missing: all (all 4,000 questions, seen twice): not run yet" in told
    assert "untrained" not in told
    assert [row.method for row in found.rows()] == ["sft", "grpo-2"]
    assert found.row("sft", "few").mean == pytest.approx(100 / 3)
    with pytest.raises(UserError, match="few, grpo-2: no tested run"):
        found.row("grpo-2", "few")


def test_runs_and_columns_of_their_logs(found):
    assert [run["seed"] for run in found.runs("grpo-2")] == [0, 1, 2]
    assert found.trait("grpo-2", "accuracy") == pytest.approx([0.1] * 10)
    assert np.isnan(found.trait("grpo-2", "format")[0])
    assert found.trait("sft", "format") is None and found.trait("cota", "loss") is None
    assert [one["lr"] for one in lesson.searched(found.records, "sft")] == [1e-4, 3e-4]


def test_tables_hold_what_was_tested_and_leave_out_the_rest(found):
    methods = [("untrained", "direct-2"), ("table", "sft-random"), ("table", "sft")]
    frame = lesson.choosing_table(found, methods).frame.set_index("")
    assert list(frame.index) == ["SFT, full"]
    (row,) = frame.to_dict("records")
    assert (row["trainings"], row["correct"], row["no choice named"]) == ("3", "51.7", "0.0")
    assert row["correct, of those that choose"] == "51.7"
    frame = lesson.thinking_table(found, [("table", "cota"), ("table", "grpo-2")]).frame
    assert list(frame[""]) == ["GRPO <2>"] and frame["correct, %"][0].startswith("76.7 (")


def test_the_papers_order_holds_is_reversed_or_is_not_decided(found):
    rows = lesson.beside_the_paper(found).frame.set_index("")
    central = rows.loc["GRPO <2> − SFT, full"]
    assert central["reported, 7B"] == "+12.7 (+8.4 to +17.0)"
    assert central["the paper's order here"] == "yes"
    assert rows.loc["GRPO <3> − GRPO <2>", "tiny track"] == "not run yet"
    (one,) = found.summary.comparisons
    assert lesson._order(-1.0, one) == "no, reversed"
    assert lesson._order(-1.0, replace(one, holm=0.5)) == "no difference found"


def test_both_kinds_of_noise_are_wider_than_either(found):
    grpo, sft = found.row("grpo-2"), found.row("sft")
    ends = lesson.noise_intervals(grpo, sft)
    widths = {name: high - low for name, (low, high) in ends.items()}
    assert list(widths) == ["questions alone", "trainings alone", "both"]
    assert widths["trainings alone"] == 0, "all three differ by 15 of 60"
    assert 0 < widths["questions alone"] <= widths["both"] + 1


def test_comparisons_are_told_or_said_to_be_missing(found):
    assert found.statement("grpo-2", "sft", 2).startswith("GRPO <2> − SFT, full: +25.0 (")
    assert [(c.a, c.b) for c in found.planned] == [("grpo-2", "sft")] and not found.apart
    few, *_, compute, everything = found.statements_elsewhere(2)
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
    few = replace(one, regime="few")
    assert lesson.pair_label(few).startswith("100 questions, seen once: GRPO")
    assert lesson.claimed(replace(few, seeds=(0,)), 2) == ONE


def test_figures_show_every_training_the_readers_own_and_both_kinds_of_noise(found):
    rows = found.rows()
    drawn = figures.seeds_figure(rows, 40.0, {"sft": 55.0}).axes[0]
    rings = [list(line.get_xdata()) for line in drawn.lines if line.get_marker() == "o"]
    assert rings == [list(row.each) for row in rows]
    own = [line for line in drawn.lines if line.get_marker() == "D"]
    assert [list(line.get_xdata()) for line in own] == [[55.0]]
    assert "Your runs: SFT, full 55.0." in figures.seeds_text(rows, {"sft": 55.0})
    ends = lesson.noise_intervals(found.row("grpo-2"), found.row("sft"))
    names = [label.get_text() for label in figures.noise_figure(ends).axes[0].get_yticklabels()]
    assert names == list(ends)
    plt.close("all")


@pytest.mark.parametrize("p", [0.0, 0.03, 0.5, 1.0])
def test_the_gradient_of_a_group_is_that_of_drawn_answers(p):
    torch.manual_seed(0)
    correct = torch.bernoulli(torch.full((20_000, 8), p))
    advantages = group_advantages(correct.flatten(), 8).view(-1, 8)
    drawn = (advantages * (correct - p)).mean().item()
    assert lesson.group_gradient(p) == pytest.approx(drawn, abs=0.01)
