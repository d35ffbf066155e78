"""Decoding with shared prompts and leaving rows against ``generate``."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from r1aqa_helpers.models import (
    AudioFeatureCache,
    Clips,
    LoadedModel,
    SeededSampling,
    chat_text,
    decode,
    embed_prompts,
    encode,
    generate,
    generate_answers,
    generation,
    greedy_config,
    sampling_config,
)
from r1aqa_helpers.models.generation import _SPARE
from r1aqa_helpers.models.generation_config import own_generation_config
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.utils.errors import UserError


@pytest.fixture
def made() -> SimpleNamespace:
    """A random model that talks of more than one token, and unequal prompts."""
    loaded = LoadedModel(*random_tiny(seed=6), "random")
    with torch.no_grad():
        loaded.model.lm_head.weight.mul_(20)
    rng = np.random.default_rng(0)
    texts = [chat_text(loaded, "What" + " is it" * n + "?") for n in range(5)]
    waves = [0.1 * rng.standard_normal(4000 + 3000 * n).astype(np.float32) for n in range(5)]
    return SimpleNamespace(loaded=loaded, texts=texts, waves=waves)


def config_with(made, do_sample=False, max_new_tokens=12, **fields):
    make = sampling_config if do_sample else greedy_config
    config = make(made.loaded, max_new_tokens)
    for name, value in fields.items():
        setattr(config, name, value)
    return config


def decoded(made, group, config, sampler=None):
    inputs = encode(made.loaded, made.texts, made.waves)
    count = len(made.texts)
    clips = Clips(
        inputs["input_features"], inputs["feature_attention_mask"], torch.arange(count)[:, None]
    )
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    embedded = embed_prompts(made.loaded.model, ids, clips)
    return decode(made.loaded.model, ids, mask, embedded, torch.tensor(group), config, sampler)


def one_by_one(made, group, config):
    """By transformers' ``generate``, a row at a time."""
    answers = []
    for number in group:
        inputs = encode(made.loaded, [made.texts[number]], [made.waves[number]])
        with own_generation_config(made.loaded.model, config):
            tokens = made.loaded.model.generate(**inputs, generation_config=config)
        answers.append(tokens[0, inputs["input_ids"].shape[1] :].tolist())
    return answers


def early_ends(made, group):
    """End tokens that make rows end at different steps: the tokens that some rows say."""
    said = one_by_one(made, group, config_with(made))
    return sorted({said[0][3], said[-1][6]})


def test_answers_that_reach_the_limit_before_their_end_are_cut(made):
    group = [0, 1, 2, 3, 4]
    ends = early_ends(made, group)
    config = config_with(made, eos_token_id=ends, max_new_tokens=6)
    expected = [not {*answer} & {*ends} for answer in one_by_one(made, group, config)]
    inputs = encode(made.loaded, made.texts, made.waves)
    answers = generate_answers(made.loaded, inputs, config)
    assert [answer.cut for answer in answers] == expected and {True, False} == {*expected}
    assert [answer.text for answer in answers] == generate(made.loaded, inputs, config)


def test_greedy_tokens_are_those_of_generate(made):
    group = [4, 0, 1, 0, 2, 3, 3]
    for ends in (made.loaded.eos_ids, early_ends(made, group)):
        config = config_with(made, eos_token_id=ends)
        expected = one_by_one(made, group, config)
        got = decoded(made, group, config)
        assert got.shape[1] == max(map(len, expected))
        for row, answer in zip(got.tolist(), expected, strict=True):
            rest = row[len(answer) :]
            assert row[: len(answer)] == answer
            assert rest == [made.loaded.pad_id] * len(rest)
    assert len({len(answer) for answer in expected}) > 1, "all end at once"


def test_greedy_tokens_past_the_spare_places_of_the_cache(made):
    config = config_with(made, max_new_tokens=_SPARE + 9, eos_token_id=[1])
    (expected,) = one_by_one(made, [2], config)
    assert decoded(made, [2, 2], config).tolist() == [expected, expected]


@pytest.fixture
def compiled(monkeypatch) -> Counter:
    """Passes are captured whole, as for a CUDA graph, but not turned into machine code."""
    monkeypatch.setattr(generation, "_COMPILE", {"backend": "eager", "fullgraph": True})
    monkeypatch.setattr(generation, "_PLACES", 64)
    generation._compiled_pass.cache_clear()
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield torch._dynamo.utils.counters["stats"]
    generation._compiled_pass.cache_clear()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_compiled_passes_give_the_same_tokens(made, compiled, attention):
    """Greedy and sampled, and where rows end at different steps; one graph for all of it."""
    made.loaded.model.set_attn_implementation(attention)
    group = [4, 0, 1, 0, 2, 3, 3]
    for config in (
        config_with(made, eos_token_id=early_ends(made, group)),
        config_with(made, eos_token_id=[1], do_sample=True),
    ):
        found = []
        for config.disable_compile in (True, False):
            torch.manual_seed(0)
            found.append(decoded(made, group, config))
        assert torch.equal(*found) and found[0].shape[1] > 6
    assert compiled["unique_graphs"] == 1


def test_a_repetition_penalty_counts_the_prompt_as_generate_does(made):
    config = config_with(made, repetition_penalty=1.7)
    assert decoded(made, [1, 3], config).tolist() == one_by_one(made, [1, 3], config)
    plain = decoded(made, [1, 3], config_with(made)).tolist()
    assert plain != decoded(made, [1, 3], config).tolist()


@pytest.mark.parametrize(
    "fields",
    [{"temperature": 0.3}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 0.6}],
    ids=lambda fields: next(iter(fields)),
)
def test_sampling_rules_are_those_of_generate(made, fields):
    """The same draws from the same seed, where both draw in the same order."""
    group, drawn = [0, 1, 2, 3, 4], []
    config = config_with(made, do_sample=True, max_new_tokens=1, **fields)
    inputs = encode(made.loaded, made.texts, made.waves)
    for seed in range(6):
        torch.manual_seed(seed)
        ours = decoded(made, group, config)[:, 0]
        torch.manual_seed(seed)
        with own_generation_config(made.loaded.model, config):
            theirs = made.loaded.model.generate(**inputs, generation_config=config)[:, -1]
        assert torch.equal(ours, theirs)
        drawn.append(ours)
    assert len(torch.stack(drawn).unique(dim=0)) > 1


def test_rows_that_end_leave_the_batch(made, monkeypatch):
    sizes = []
    language = made.loaded.model.model.language_model
    forward = type(language).forward

    def counting(self, inputs_embeds, **named):
        sizes.append(len(inputs_embeds))
        return forward(self, inputs_embeds=inputs_embeds, **named)

    monkeypatch.setattr(type(language), "forward", counting)
    group = [0] * 4 + [4] * 4
    said = one_by_one(made, [0, 4], config_with(made))
    ends = [next(token for token in said[0] if token not in said[1])]
    sizes.clear()
    decoded(made, group, config_with(made, eos_token_id=ends))
    assert sizes[0] == 5 and sizes[-1] == 4 and len(sizes) == 12


def test_seeded_draws_do_not_depend_on_who_leaves(made):
    group = [0, 1, 2, 3, 4]
    config = config_with(made, eos_token_id=early_ends(made, group) + [9, 10, 11, 12])
    together = decoded(made, group, config, SeededSampling(range(5)))
    for row in group:
        alone = decoded(made, [row], config, SeededSampling([row]))[0].tolist()
        rest = together[row, len(alone) :].tolist()
        assert together[row, : len(alone)].tolist() == alone
        assert set(rest) <= {made.loaded.pad_id}


def test_what_is_not_built_in_is_refused(made):
    with pytest.raises(UserError, match="num_beams=3"):
        decoded(made, [0], config_with(made, num_beams=3))


def test_rows_of_one_recording_share_its_encoding(made, encoded):
    waves = [made.waves[n] for n in (3, 1, 3, 3, 1)]
    inputs, config = encode(made.loaded, made.texts, waves), config_with(made)
    plain = generate(made.loaded, inputs, config)
    cache = AudioFeatureCache(2**20)
    shared = [
        generate(made.loaded, inputs, config, recordings=list("abaab"), cache=cache)
        for _ in range(2)
    ]
    assert encoded == [5, 2]
    assert plain == shared[0] == shared[1]
    assert len(set(plain)) > 1


def test_an_answer_that_is_learnt_ends_the_turn_whatever_the_tokenizer_calls_its_end(loaded):
    tokenizer = loaded.processor.tokenizer
    turn, text = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    for end in ("<|im_end|>", "<|endoftext|>"):
        tokenizer.eos_token = end
        assert loaded.eos_ids == [turn, text]
