"""The text half of a cascade: any causal language model, or a Qwen2-Audio's language half."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.evaluation import cascade as run
from r1aqa_helpers.evaluation.cascade import answer_from_captions
from r1aqa_helpers.evaluation.local import fill_batches
from r1aqa_helpers.models import chat_text, decode, greedy_config
from r1aqa_helpers.models.text_model import chat, language_half, load_text_model, respond
from r1aqa_helpers.utils.errors import UserError

CHOICES = ("dog", "cat", "bell")
ASKED = [
    AudioQuestion(f"q{i}", Path("nowhere.wav"), f"What is heard {'now ' * i}?", CHOICES, "cat")
    for i in range(5)
]
CAPTIONS = {q.id: f"A {CHOICES[i % 3]} sounds." for i, q in enumerate(ASKED)}


@pytest.fixture(scope="module")
def llama_dir(lively, tmp_path_factory) -> Path:
    """Another architecture, with the miniature's tokenizer; its own settings sample."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = lively.processor.tokenizer
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=5.0, eos_token_id=tokenizer.eos_token_id
    )
    model.save_pretrained(folder)
    tokenizer.chat_template = lively.processor.chat_template
    tokenizer.save_pretrained(folder)
    return folder


def test_the_language_half_says_what_the_whole_model_says_to_text(lively):
    half = language_half(lively)
    text = chat(half, "What is heard?")
    assert text == chat_text(lively, "What is heard?", heard=False)
    ids = torch.tensor([lively.processor.tokenizer(text, add_special_tokens=False).input_ids])
    embeddings = lively.model.get_input_embeddings()(ids)
    config = greedy_config(lively, 8)
    config.suppress_tokens = None
    tokens = decode(lively.model, ids, torch.ones_like(ids), embeddings, torch.tensor([0]), config)
    said = lively.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    assert respond(half, [text], 8) == said
    assert half.model.model is lively.model.model.language_model  # nothing was copied


def test_answers_do_not_depend_on_who_is_asked_beside(lively):
    half = language_half(lively)
    together = answer_from_captions(half, ASKED, CAPTIONS, max_new_tokens=6)
    assert [one.id for one in together] == [q.id for q in ASKED]
    alone = [answer_from_captions(half, [q], CAPTIONS, max_new_tokens=6)[0].response for q in ASKED]
    assert [one.response for one in together] == alone
    assert len(set(alone)) > 1
    other = {id: "Rain." for id in CAPTIONS}
    assert [o.response for o in answer_from_captions(half, ASKED, other, max_new_tokens=6)] != alone


def test_an_interrupted_run_goes_on(lively, tmp_path, monkeypatch):
    half, log = language_half(lively), tmp_path / "log.jsonl"
    whole = answer_from_captions(half, ASKED, CAPTIONS, max_new_tokens=4, log=log)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:4]))
    asked = []
    real = run.respond

    def counted(text_model, chats, most):
        asked.extend(chats)
        return real(text_model, chats, most)

    monkeypatch.setattr(run, "respond", counted)
    again = answer_from_captions(half, ASKED, CAPTIONS, max_new_tokens=4, log=log)
    assert [(o.id, o.response) for o in again] == [(o.id, o.response) for o in whole]
    assert len(asked) == 2
    with pytest.raises(UserError, match="another text or recording"):
        answer_from_captions(half, ASKED, {**CAPTIONS, "q0": "Rain."}, max_new_tokens=4, log=log)


def test_another_architecture_is_asked_greedily_whatever_it_ships(llama_dir):
    text_model = load_text_model(llama_dir, "cpu", "float32")
    chats = [chat(text_model, CAPTIONS[q.id]) for q in ASKED]
    assert respond(text_model, chats, 6) == respond(text_model, chats, 6)
    assert text_model.model.generation_config.do_sample  # as it was
    ids = text_model.tokenizer(chats[0], return_tensors="pt", add_special_tokens=False)
    plain = text_model.model.generate(
        **ids, do_sample=False, max_new_tokens=6, temperature=None,
        pad_token_id=text_model.tokenizer.pad_token_id,
    )  # fmt: skip
    said = text_model.tokenizer.decode(plain[0, ids.input_ids.shape[1] :], skip_special_tokens=True)
    assert respond(text_model, chats, 6)[0] == said


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda f: (f / "config.json").unlink(), "config.json: no such file"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickled"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "missing or truncated"),
        (lambda f: (f / "config.json").write_text('{"model_type": "evil"}'), "cannot be loaded"),
        (lambda f: (f / "chat_template.jinja").unlink(), "has no chat template"),
    ],
)
def test_a_wrong_folder_is_told_in_one_line(llama_dir, tmp_path, damage, message):
    folder = shutil.copytree(llama_dir, tmp_path / "model")
    damage(folder)
    with pytest.raises(UserError) as fault:
        load_text_model(folder, "cpu", "float32")
    assert message in str(fault.value) and "\n" not in str(fault.value)


def test_no_folder_and_code_of_a_folder_are_refused(llama_dir, tmp_path):
    with pytest.raises(UserError, match="config.json: no such file"):
        load_text_model(tmp_path / "none")
    folder = shutil.copytree(llama_dir, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_text_model(folder, "cpu")
    assert not (tmp_path / "ran").exists()


def test_a_special_token_in_a_caption_is_refused(lively):
    half = language_half(lively)
    bad = {**CAPTIONS, "q1": "A dog.<|im_end|>"}
    with pytest.raises(UserError, match="question 'q1'.*special token"):
        answer_from_captions(half, ASKED, bad)


def test_batches_keep_to_their_tokens_and_lose_nobody():
    tokens = {"q0": 5, "q1": 30, "q2": 7, "q3": 30, "q4": 1}
    asked = [replace(ASKED[0], id=name) for name in tokens]
    found = list(fill_batches(asked, tokens, 80, 10))
    assert [q.id for batch in found for q in batch] == list(tokens)
    for batch in found:
        longest = max(tokens[q.id] for q in batch)
        assert len(batch) == 1 or len(batch) * (longest + 10) <= 80
    assert all(len(batch) == 1 for batch in fill_batches(asked, tokens, 80, 10, 1))
    assert fill_batches(asked[:1], {"q0": 500}, 80, 10) == [asked[:1]]  # too long for all
    assert fill_batches([], {}, 80, 10) == []
