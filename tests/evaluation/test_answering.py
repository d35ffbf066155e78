"""Answers of a random miniature: the same however they are batched, ordered or interrupted."""

import json
import os
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from r1aqa_helpers.data import AudioQuestion, read_mmau
from r1aqa_helpers.data.audio import save_audio
from r1aqa_helpers.evaluation import local
from r1aqa_helpers.evaluation.local import (
    Prediction,
    answer_one,
    answer_questions,
    write_predictions,
)
from r1aqa_helpers.models import Answer, LoadedModel
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.locks import only_writer

WORDS = ("dog", "cat", "car", "bell", "a church bell in the wind", "rain")
STEPS = 12


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[AudioQuestion]:
    place = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    made = []
    for number in range(8):
        audio = place / f"{number}.wav"
        samples = round((0.3 + 0.45 * number) * 16_000)
        save_audio(audio, (0.1 * rng.standard_normal(samples).clip(-9, 9)).astype(np.float32))
        choices = WORDS[: 2 + number % 5]
        text = "What makes the sound" + " that you hear" * (number * 5 % 8) + "?"
        made.append(AudioQuestion(f"q{number}", audio, text, choices, choices[0], task="sound"))
    return made


def ask(loaded, questions, **options) -> list[Prediction]:
    return answer_questions(loaded, questions, **{"max_new_tokens": STEPS, **options})


def said(predictions: list[Prediction]) -> dict[str, str]:
    return {prediction.id: prediction.response for prediction in predictions}


@pytest.mark.parametrize("sample", [False, True], ids=["greedy", "sampled"])
def test_answers_do_not_depend_on_batch_size_or_order(lively, questions, sample):
    alone = ask(lively, questions, batch_size=1, sample=sample)
    assert [prediction.id for prediction in alone] == [q.id for q in questions]
    assert len(set(said(alone).values())) > 4  # or there is nothing to distinguish
    shuffled = random.Random(1).sample(questions, len(questions))
    for batch_size in (3, 8):
        assert said(ask(lively, questions, batch_size=batch_size, sample=sample)) == said(alone)
        mixed = ask(lively, shuffled, batch_size=batch_size, sample=sample)
        assert [prediction.id for prediction in mixed] == [q.id for q in shuffled]
        assert said(mixed) == said(alone)


def test_samples_follow_the_seed_and_leave_the_global_generator_alone(lively, questions):
    state = torch.get_rng_state()
    first = said(ask(lively, questions, sample=True, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert said(ask(lively, questions, sample=True, seed=1)) == first
    assert said(ask(lively, questions, sample=True, seed=2)) != first
    assert said(ask(lively, questions)) != first


@pytest.mark.parametrize("sample", [False, True], ids=["greedy", "sampled"])
def test_an_interrupted_run_goes_on_where_it_was(lively, questions, tmp_path, monkeypatch, sample):
    log = tmp_path / "log.jsonl"
    whole = said(ask(lively, questions, sample=sample))
    real, asked = local.generate_answers, []

    def interrupted(loaded, inputs, *rest):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(inputs["input_ids"].shape[0])
        return real(loaded, inputs, *rest)

    monkeypatch.setattr(local, "generate_answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(lively, questions, sample=sample, batch_size=3, log=log)
    assert len(log.read_text().splitlines()) == 1 + 6
    with log.open("a") as stream:
        stream.write('{"id": "q7", "respo')  # what a power cut leaves

    asked.clear()
    resumed = ask(lively, questions, sample=sample, batch_size=2, log=log)
    assert asked == [2]
    assert said(resumed) == whole
    assert [prediction.id for prediction in resumed] == [q.id for q in questions]
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert {row["id"]: row["response"] for row in rows[1:]} == whole

    asked.clear()
    assert said(ask(lively, questions, sample=sample, log=log)) == whole
    assert asked == []


def test_a_log_is_of_one_run_whatever_its_batches(lively, questions, tmp_path):
    log = tmp_path / "log.jsonl"
    first = ask(lively, questions[:2], log=log, seed=1, batch_size=1)
    assert ask(lively, questions[:2], log=log, seed=2, batch_size=2) == first
    before = log.read_bytes()
    changed = [replace(questions[0], question="What is loudest?"), questions[1]]
    for name, asked, options in (
        ("prompt", questions[:2], {"prompt": 1}),
        ("max_new_tokens", questions[:2], {"max_new_tokens": STEPS + 1}),
        ("sample", questions[:2], {"sample": True}),
        ("text", changed, {}),
    ):
        with pytest.raises(UserError, match=name) as caught:
            ask(lively, asked, log=log, **options)
        assert str(log) in str(caught.value) and "--out" in str(caught.value)
    with pytest.raises(UserError, match="weights"):
        ask(LoadedModel(*random_tiny(), lively.name), questions[:2], log=log)
    assert log.read_bytes() == before
    with log.open("a") as stream:
        stream.write('{"id": "q2", "response": 3}\n')
    with pytest.raises(UserError, match=r"log\.jsonl:4: field response"):
        ask(lively, questions[:2], log=log)


def test_clips_that_were_cut_are_reported_once_also_after_a_resume(lively, questions, tmp_path):
    long = tmp_path / "long.wav"
    save_audio(long, np.full(6 * 16_000, 0.1, np.float32))
    asked = [replace(questions[0], audio=long), replace(questions[1], audio=long), questions[2]]
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"^2 of 3 clips .* 4 s window; 4\.0 s cut") as caught:
            ask(lively, asked, log=tmp_path / "log.jsonl")
        assert sum("window" in str(one.message) for one in caught) == 1
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*window")
        ask(lively, questions[:2])


@pytest.mark.parametrize("batch_size", [1, 8])
def test_bad_recordings_cost_only_their_own_questions(lively, questions, tmp_path, batch_size):
    damaged, log = tmp_path / "damaged.wav", tmp_path / "log.jsonl"
    damaged.write_bytes(questions[0].audio.read_bytes()[:2000])
    bad = {"q0": damaged, "q3": tmp_path / "missing.wav"}
    asked = [replace(q, audio=bad.get(q.id, q.audio)) for q in questions]
    with pytest.warns(UserWarning) as caught:
        found = said(ask(lively, asked, log=log, batch_size=batch_size))
    whole = said(ask(lively, questions))
    assert found == {id: text for id, text in whole.items() if id not in bad}
    told = "\n".join(str(one.message) for one in caught)
    for line in (
        f"1 of 8 recordings cannot be used: {bad['q3']}: no such file",
        f"{damaged}: is damaged or cut off",
        "2 of 8 questions have no answer",
    ):
        assert told.count(line) == 1
    # Once they are repaired, the same call asks about them alone.
    bad["q3"].write_bytes(questions[3].audio.read_bytes())
    damaged.write_bytes(questions[0].audio.read_bytes())
    before = log.read_text().splitlines()
    assert said(ask(lively, asked, log=log, batch_size=batch_size)) == whole
    assert len(log.read_text().splitlines()) == len(before) + 2


def test_a_log_is_of_these_recordings_wherever_they_are(lively, questions, tmp_path):
    log = tmp_path / "log.jsonl"
    answers = said(ask(lively, questions, log=log))
    before = log.read_bytes()

    def copied(name: str, of: list[AudioQuestion]) -> list[AudioQuestion]:
        (tmp_path / name).mkdir()
        for question, other in zip(questions, of, strict=True):
            data = other.audio.read_bytes()
            (tmp_path / name / question.audio.name).write_bytes(data)
        return [replace(q, audio=tmp_path / name / q.audio.name) for q in questions]

    moved = copied("moved", questions)
    assert said(ask(lively, moved[:-1], log=log)) == {q.id: answers[q.id] for q in moved[:-1]}
    others = copied("others", [*questions[:5], questions[6], questions[5], questions[7]])
    with pytest.raises(UserError, match="question 'q[56]' was asked with another text or record"):
        ask(lively, others, log=log)
    assert log.read_bytes() == before


def test_a_log_has_one_writer(lively, questions, tmp_path):
    log = tmp_path / "log.jsonl"
    with only_writer(log), pytest.raises(UserError, match="another process is writing"):
        ask(lively, questions[:1], log=log)
    assert not log.exists()


def test_reading_ahead_changes_nothing(lively, questions, monkeypatch, tmp_path):
    """As with a GPU: another thread reads the next batch."""
    plain = said(ask(lively, questions, batch_size=2))
    monkeypatch.setattr(local, "_on_cpu", lambda loaded: False)
    assert said(ask(lively, questions, batch_size=2)) == plain
    assert said(ask(lively, questions[:1])) == {"q0": plain["q0"]}
    damaged, log = tmp_path / "damaged.wav", tmp_path / "log.jsonl"
    damaged.write_bytes(questions[0].audio.read_bytes()[:2000])
    asked = [replace(q, audio=damaged) if q.id == "q0" else q for q in questions]
    with pytest.warns(UserWarning, match="damaged or cut off"):
        found = ask(lively, asked, batch_size=2, log=log)
    assert said(found) == {id: text for id, text in plain.items() if id != "q0"}


@pytest.mark.parametrize("budget", [1, 300, 10_000])
def test_batches_keep_to_the_token_budget(lively, questions, monkeypatch, budget):
    """Prompts and answers, padded to the longest; a question too long for it is asked alone."""
    shapes, real = [], local.generate_answers

    def counting(loaded, inputs, *rest):
        shapes.append(tuple(inputs["input_ids"].shape))
        return real(loaded, inputs, *rest)

    monkeypatch.setattr(local, "generate_answers", counting)
    answers = said(ask(lively, questions, batch_tokens=budget))
    assert all(rows * (width + STEPS) <= budget or rows == 1 for rows, width in shapes)
    assert sum(rows for rows, _ in shapes) == len(questions)
    assert (len(shapes) == 1) == (budget == 10_000)
    assert answers == said(ask(lively, questions, batch_size=1))


def test_each_distinct_recording_is_decoded_and_encoded_once_in_a_batch(
    lively, questions, encoded, monkeypatch
):
    decoded, load = [], local.load_audio
    monkeypatch.setattr(local, "load_audio", lambda path: decoded.append(path) or load(path))
    shared = [replace(q, audio=questions[i % 2].audio) for i, q in enumerate(questions)]
    answers = said(ask(lively, shared, batch_size=8, batch_tokens=100_000))
    assert sorted(set(decoded)) == sorted(decoded) and len(decoded) == 2
    assert sum(encoded) == 2
    encoded.clear()
    assert said(ask(lively, shared, batch_size=1)) == answers
    assert sum(encoded) == 2, "kept from batch to batch"


def test_answers_that_reach_the_limit_are_counted_also_after_a_resume(
    lively, questions, tmp_path, monkeypatch
):
    texts = iter(["whole", "half a", "half", "<think><answer>dog</answer>"])
    monkeypatch.setattr(
        local, "generate_answers", lambda *_: [Answer(text := next(texts), text[:4] == "half")]
    )
    for _ in range(2):
        with pytest.warns(UserWarning) as caught:
            found = ask(lively, questions[:4], batch_size=1, log=tmp_path / "log.jsonl")
        assert sorted(one.cut for one in found) == [False, False, True, True]
        told = [str(one.message) for one in caught]
        assert len(told) == 2 and f"2 of 4 answers were cut at {STEPS} tokens" in told[0]
        assert "1 of 4 responses have <answer> inside the thinking" in told[1]


def test_a_pipe_in_place_of_a_recording_is_refused(lively, questions, tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(UserError, match="pipe.wav: is no regular file"):
        ask(lively, [replace(questions[0], audio=tmp_path / "pipe.wav")])


def test_a_batch_too_large_for_the_gpu_is_halved_once(lively, questions, monkeypatch):
    monkeypatch.setattr(local, "_on_cpu", lambda loaded: False)
    real, sizes = local.generate_answers, []

    def limited(loaded, inputs, *rest, most=2):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > most:
            raise torch.OutOfMemoryError("no memory")
        return real(loaded, inputs, *rest)

    monkeypatch.setattr(local, "generate_answers", limited)
    with pytest.warns(UserWarning, match="batch of 4 questions does not fit.* halves") as caught:
        answers = ask(lively, questions, batch_size=4)
    assert sum("halves" in str(one.message) for one in caught) == 1
    assert sizes == [4, 2, 2, 2, 2]
    assert said(answers) == said(ask(lively, questions, batch_size=2))
    with pytest.warns(UserWarning), pytest.raises(UserError, match="smaller --batch-size"):
        ask(lively, questions, batch_size=8)


def test_one_question_is_answered_as_in_a_batch(lively, questions, monkeypatch):
    q, batch = questions[4], said(ask(lively, questions))
    options = {"question": q.question, "choices": q.choices, "max_new_tokens": STEPS}
    prediction, cut = answer_one(lively, q.audio, prompt=2, **options)
    assert prediction.response == batch["q4"] and cut == 0
    _, cut = answer_one(lively, np.zeros(5 * 16_000, np.float32), **options)
    assert cut == pytest.approx(1.0)
    bad = replace(q, question="What is <|AUDIO|>?")
    with pytest.raises(UserError, match=r"'q4'.*<\|AUDIO\|>"):
        ask(lively, [*questions[:3], bad])
    tagged = Answer("so: <answer>\n dog </answer>", cut=False)
    monkeypatch.setattr(local, "generate_answers", lambda *_: [tagged])
    (prediction,) = ask(lively, questions[:1])
    assert prediction.answer == "dog" and prediction.seconds > 0


def test_predictions_are_mmaus_json_with_three_fields_more(questions, tmp_path):
    path = tmp_path / "predictions.json"
    raw = "It is <answer> dog </answer>."
    write_predictions(path, questions[:2], [Prediction("q0", raw, 0.1)])
    (row,) = json.loads(path.read_text())
    assert row["response"] == raw
    assert row["model_prediction"] == row["model_output"] == "dog"
    (again,) = read_mmau(path)
    assert replace(again, extra={}) == questions[0]
