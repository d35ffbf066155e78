"""Training without recordings: nothing of them gets in, and what can be read is scored right."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_train import SETTINGS, run, weights

from r1aqa_helpers.grpo.prompt_store import PromptStore
from r1aqa_helpers.grpo.scoring import Answers, answer_logps
from r1aqa_helpers.models import chat_text


def test_no_recording_is_opened_and_the_tower_stays_as_it_was(
    loaded, questions, tmp_path, monkeypatch
):
    start = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    absent = [replace(question, audio=Path("nowhere.wav")) for question in questions]
    settings = replace(SETTINGS, text_only=True, beta=0.04)
    folder, _ = run(loaded, absent, tmp_path, monkeypatch, settings)
    trained = weights(folder)
    moved = {name for name, tensor in trained.items() if not torch.equal(tensor, start[name])}
    assert any("language_model" in name for name in moved)
    assert not any("audio_tower" in name or "projector" in name for name in moved)


@pytest.mark.parametrize("shared_prefix", [False, True])
def test_the_answers_are_scored_as_by_the_model_s_own_forward(loaded, questions, shared_prefix):
    store = PromptStore(loaded)
    numbers = [store.number(question.question, None) for question in questions[:2]]
    ids, mask = store.tokens(numbers, torch.device("cpu"))
    answer = torch.tensor([[11, 12, 13], [14, 15, 16]])
    batch = Answers(
        prompt_ids=ids,
        prompt_mask=mask,
        ids=answer,
        mask=torch.ones_like(answer),
        group=torch.arange(2),
        clips=store.clips(numbers, torch.device("cpu")),
        shared_prefix=shared_prefix,
    )
    with torch.no_grad():
        logps, _ = answer_logps(loaded.model, batch)
        for row, question in enumerate(questions[:2]):
            text = chat_text(loaded, question.question, heard=False)
            assert "<|AUDIO|>" not in text and question.question in text
            prompt = loaded.processor.tokenizer(text, return_tensors="pt")["input_ids"]
            logits = loaded.model(input_ids=torch.cat([prompt, answer[row : row + 1]], 1)).logits
            all_logps = torch.log_softmax(logits[0, prompt.shape[1] - 1 : -1], dim=-1)
            expected = all_logps.gather(-1, answer[row][:, None]).squeeze(-1)
            torch.testing.assert_close(logps[row], expected, rtol=0, atol=1e-5)


def test_heard_and_unheard_prompts_may_stand_in_one_batch(loaded, questions):
    store = PromptStore(loaded)
    heard = store.number(questions[0].question, questions[0].audio)
    read = store.number(questions[0].question, None)
    assert heard != read
    clips = store.clips([read, heard, read], torch.device("cpu"))
    assert clips.clip.tolist() == [[-1], [0], [-1]]
    assert len(clips.input_features) == 1
