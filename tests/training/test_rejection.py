"""Rejection sampling: what is kept of a model's own answers, and that nothing is sampled twice."""

import pytest
import torch

from r1aqa_helpers.training import rejection
from r1aqa_helpers.training.rejection import own_answers, sampled_counts
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json


@pytest.fixture
def says(loaded, monkeypatch):
    """Let the model say certain texts: some to each question in turn, then padding."""
    calls = []

    def script(*texts_by_question):
        tokenizer = loaded.processor.tokenizer
        rows = [tokenizer(text, add_special_tokens=False)["input_ids"]
                for texts in texts_by_question for text in texts]  # fmt: skip
        widest = max(map(len, rows))
        padded = torch.tensor([row + [loaded.pad_id] * (widest - len(row)) for row in rows])

        def sampled(model, ids, mask, clips, group, config):
            assert config.temperature == 1 and config.do_sample and config.top_k == 0
            assert len(group) == len(rows) and len(ids) == len(texts_by_question)
            calls.append(group.tolist())
            return padded

        monkeypatch.setattr(rejection, "sample_answers", sampled)
        monkeypatch.setattr(rejection, "ANSWERS", len(texts_by_question[0]))
        return calls

    return script


def test_the_first_correct_answer_that_ended_is_kept_word_for_word(
    loaded, questions, says, tmp_path
):
    asked, end = questions[:3], "<|im_end|>"
    gold, other = asked[0].answer, next(c for c in asked[0].choices if c != asked[0].answer)
    calls = says(
        (
            f"<answer>{other}</answer>{end}",
            f"<answer>{gold}</answer>" + " and so on" * 20,  # cut at the limit
            f"<answer>{gold}</answer><|AUDIO|>{end}",
            f"so: <answer>{gold}</answer>{end}",
            f"<answer>{gold}</answer>{end}",
        ),
        (f"<answer>no such choice</answer>{end}",) * 5,
        tuple(f"{asked[2].answer}{end}" for _ in range(5)),
    )
    path = tmp_path / "run" / "answers.json"
    kept = own_answers(loaded, asked, path, seed=3, max_new_tokens=9)
    assert [q.id for q in kept] == [asked[0].id, asked[2].id]
    assert kept[0].extra["completion"] == f"so: <answer>{gold}</answer>"
    assert kept[1].extra["completion"] == asked[2].answer
    assert calls == [[0] * 5 + [1] * 5 + [2] * 5], "a question's answers share its prompt"
    answers, tokens = sampled_counts(path)
    ends = sum(one["tokens"] for row in read_json(path)["answers"] for one in row)
    assert (answers, tokens) == (15, ends) and tokens > 15
    assert own_answers(loaded, asked, path, seed=3, max_new_tokens=9) == kept
    assert len(calls) == 1, "nothing is sampled again"
    with pytest.raises(UserError, match="answers of another run"):
        own_answers(loaded, asked, path, seed=4, max_new_tokens=9)


def test_a_model_that_is_never_correct_has_nothing_to_learn(loaded, questions, says, tmp_path):
    says(("no<|im_end|>",) * 8)
    with pytest.raises(UserError, match="none of 8 answers to any of 1 questions is correct"):
        own_answers(loaded, questions[:1], tmp_path / "answers.json")


def test_answers_are_drawn_from_the_seed(loaded, questions, tmp_path, monkeypatch):
    monkeypatch.setattr(rejection, "accuracy_reward", lambda said, gold: [1.0] * len(said))
    monkeypatch.setattr(rejection, "_AT_ONCE", 2)
    drawn = []
    for number, seed in enumerate((0, 0, 1)):
        path = tmp_path / f"{number}.json"
        try:
            own_answers(loaded, questions[:3], path, seed=seed, max_new_tokens=5)
        except UserError:  # an untrained model hardly ever ends its turn
            pass
        drawn.append(read_json(path)["answers"])
        assert [len(row) for row in drawn[-1]] == [8, 8, 8]
        assert all(1 <= one["tokens"] <= 5 for row in drawn[-1] for one in row)
    assert drawn[0] == drawn[1] != drawn[2]
