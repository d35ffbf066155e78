"""The rollout viewer: a committed run, its steps, groups, clips and rewards."""

import json

import pytest

from r1aqa_helpers.course import REFERENCE, load_run, rollout_viewer, widgets
from r1aqa_helpers.course.recorded_run import ANSWERS
from r1aqa_helpers.course.widgets import VIEW
from r1aqa_helpers.course.widgets.rollout_viewer import RolloutViewer
from r1aqa_helpers.data import read_questions
from r1aqa_helpers.scoring import extract_answer, score
from r1aqa_helpers.tiny.data import prepare
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture(scope="module")
def run():
    return load_run(REFERENCE, read_questions(prepare().train))


def test_recorded_figures_agree_with_one_another(run):
    assert run.steps == list(range(1, 101)) and len(run.log) == 100
    assert sum(path.stat().st_size for path in REFERENCE.iterdir()) < 2 * 2**20
    for step in (1, 50, 100):
        groups = run.groups(step)
        assert len(groups) == 8 and all(group.id in run.questions for group in groups)
        rewards = [r for group in groups for r in group.rewards]
        row = run.log[step - 1]
        assert row["reward"] == pytest.approx(sum(rewards) / len(rewards), abs=1e-6)
        same = sum(group.zero_variance for group in groups) / len(groups)
        assert row["zero_variance_groups"] == pytest.approx(same)
        for group in groups:
            parts = [sum(values) for values in zip(*group.by_function.values(), strict=True)]
            assert parts == pytest.approx(group.rewards)
            assert sum(group.advantages) == pytest.approx(0, abs=1e-4)


def test_slider_and_picker_turn_the_page(run):
    viewer = RolloutViewer(run)
    assert viewer.slider.value == 1 and not viewer.rollout.zero_variance
    before = viewer.table.value
    assert "<b>Step 1</b>" in viewer.figures.value and "<audio" in viewer.player.value
    viewer.slider.value = 100
    last = viewer.table.value
    assert "<b>Step 100</b>" in viewer.figures.value and last != before
    titles = [text for text, _ in viewer.picker.options]
    assert len(titles) == 8 and titles[0].startswith("1. ")
    viewer.picker.value = 7 if viewer.picker.value != 7 else 6
    assert viewer.table.value != last


def test_without_a_front_end_a_group_can_still_be_read(run, monkeypatch):
    with pytest.raises(UserError, match="step 500: "):
        rollout_viewer(run, step=500)
    shown = []
    monkeypatch.setattr(widgets, "display", lambda data, raw: shown.append(data))
    rollout_viewer(run, step=2)
    assert VIEW in shown[0] and "<table" in shown[0]["text/html"]
    assert shown[0]["text/plain"].startswith("rollout viewer: steps 1 to 100\nstep 2: ")


def write(folder, row):
    (folder / "rollouts.jsonl").write_text(json.dumps(row) + "\n")


ROW = {
    "step": 1, "id": "q<b>", "completions": ["<script>x</script>", "b"], "rewards": [1.0, 0.0],
    "rewards_by_function": {"<i>mine</i>": [1.0, 0.0]}, "advantages": [0.7, -0.7],
}  # fmt: skip


def test_what_a_model_wrote_is_escaped_and_an_unknown_question_keeps_its_id(tmp_path):
    write(tmp_path, ROW)
    viewer = RolloutViewer(load_run(tmp_path, []))
    page = viewer.table.value + viewer.figures.value + viewer.player.value
    assert "&lt;script&gt;" in page and "<script" not in page and "<i>mine" not in page
    assert viewer.picker.options[0][0].startswith("1. q<b>")  # text, not HTML, in a dropdown


def test_answers_from_which_rewards_abstained_are_shown_without(tmp_path):
    shares = {"one": [1.0, None, 0.0, None], "two": [None, None, 0.5, None]}
    judged = {"completions": list("abcd"), "rewards": [1.0, None, 0.5, None]}
    write(tmp_path, ROW | judged | {"rewards_by_function": shares, "advantages": [0.7, 0, -0.7, 0]})
    viewer = RolloutViewer(load_run(tmp_path, []))
    assert not viewer.rollout.zero_variance
    assert "(mean reward 0.75)" in viewer.picker.options[0][0]
    assert "<b>–</b>" in viewer.table.value and "     –  0.00  b" in repr(viewer.judged())
    none = {"rewards": [None] * 4, "rewards_by_function": {"one": [None] * 4}}
    write(tmp_path, ROW | judged | none | {"advantages": [0.0] * 4})
    viewer = RolloutViewer(load_run(tmp_path, []))
    assert viewer.rollout.zero_variance and "(zero variance)" in viewer.picker.options[0][0]


@pytest.mark.parametrize("change", [{"rewards": [1.0]}, {"advantages": [None, 1]}, {"step": "1"}])
def test_damaged_rows_are_named(tmp_path, change):
    write(tmp_path, ROW | change)
    (field,) = change
    with pytest.raises(UserError, match=rf"rollouts.jsonl:1: field '?{field}"):
        load_run(tmp_path, [])
    with pytest.raises(UserError, match="no rollouts yet"):
        load_run(tmp_path / "none", [])


def test_recorded_answers_give_the_reported_accuracies():
    questions = read_questions(TINY / "tiny-mmau.json")
    rows = {
        (row["method"], row["prompt"]): row
        for row in json.loads((REFERENCE / "results.json").read_text())["rows"]
    }
    methods = {
        "direct-1": ("direct", 1), "direct-2": ("direct", 2),
        "zero-shot-cot": ("zero-shot-cot", 3), "sft": ("sft", 2), "grpo": ("grpo", 2),
        "cota": ("cota", 3), "grpo-3": ("grpo", 3),
    }  # fmt: skip
    for method, key in methods.items():
        said = read_log(REFERENCE / ANSWERS / f"{method}.jsonl")
        result = score(questions, {row["id"]: extract_answer(row["response"]) for row in said})
        assert result.average == pytest.approx(rows[key]["average"])
        assert result.tasks["music"].percent == pytest.approx(rows[key]["music"])
