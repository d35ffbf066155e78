"""How many questions are sampled together: memory, and the same questions and steps."""

import copy
from dataclasses import replace

import pytest

from r1aqa_helpers.files import read_journal
from r1aqa_helpers.grpo.train import GRPOSettings, _passes_per_rollout, train_grpo
from r1aqa_helpers.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.rewards import named

SETTINGS = GRPOSettings(steps=2, prompts_per_step=4, group_size=2, max_completion=4)


@pytest.mark.parametrize(
    ("most", "at_once", "passes", "together"),
    [(None, 1, 6, 6), (1, 1, 6, 1), (4, 1, 6, 3), (5, 2, 6, 2), (1, 4, 2, 1), (99, 1, 6, 6)],
)
def test_parts_are_equal_and_no_larger_than_asked(most, at_once, passes, together):
    settings = replace(SETTINGS, prompts_per_rollout=most)
    assert _passes_per_rollout(settings, at_once, passes) == together


def test_a_step_sampled_in_parts_is_made_of_the_same_questions(
    loaded, questions, tmp_path, monkeypatch
):
    sampled = []
    sample = AudioGRPOTrainer.sample

    def watched(self, model, numbers):
        sampled.append(len(numbers))
        return sample(self, model, numbers)

    monkeypatch.setattr(AudioGRPOTrainer, "sample", watched)
    reward = named("length", lambda completions, **columns: [float(len(c)) for c in completions])
    found = {}
    for most, calls in ((None, [8] * 2), (2, [4] * 4), (1, [2] * 8)):
        sampled.clear()
        out = tmp_path / str(most)
        settings = replace(SETTINGS, prompts_per_rollout=most)
        train_grpo(copy.deepcopy(loaded), questions, settings, out, rewards=[reward])
        assert sampled == calls
        rollouts = read_journal(out / "rollouts.jsonl")
        found[most] = sorted((row["step"], row["id"]) for row in rollouts)
        assert [row["step"] for row in read_journal(out / "metrics.jsonl")] == [1, 2]
    assert found[None] == found[2] == found[1] and len(found[None]) == 8
