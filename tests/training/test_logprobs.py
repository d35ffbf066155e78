"""Packed groups against one row at a time: the same log-probabilities and gradients."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.models import (
    AudioFeatureCache,
    chat_text,
    greedy_config,
    load,
    sampling_config,
)
from r1aqa_helpers.training.grpo.trainer import sample_answers
from r1aqa_helpers.training.logprobs import (
    Answers,
    answer_logps,
    disable_scoring,
    enable_scoring,
    pack_answers,
)
from r1aqa_helpers.training.prompt_cache import PromptCache
from r1aqa_helpers.utils.paths import TINY


@pytest.fixture
def prompts(loaded, questions):
    """The last prompt has no recording."""
    cache = PromptCache(loaded)
    for question in questions[:-1]:
        cache.number(question.question, question.audio)
    cache.number(questions[-1].question, None)
    return cache


def answers(loaded, prompts, sizes, shared_prefix, seed=0, width=7):
    """Random answers of 1 to ``width`` tokens, ``sizes[i]`` of them to prompt i, rows mixed."""
    generator = torch.Generator().manual_seed(seed)
    numbers = [n for n, size in enumerate(sizes) if size]
    group = torch.repeat_interleave(
        torch.arange(len(numbers)), torch.tensor([s for s in sizes if s])
    )
    group = group[torch.randperm(len(group), generator=generator)]
    ids, mask = prompts.tokens(numbers, loaded.device)
    lengths = torch.randint(1, width + 1, (len(group), 1), generator=generator)
    vocabulary = loaded.model.config.text_config.vocab_size
    return Answers(
        prompt_ids=ids[group],
        prompt_mask=mask[group],
        ids=torch.randint(6, vocabulary, (len(group), width), generator=generator),
        mask=(torch.arange(width) < lengths).long(),
        group=group,
        clips=prompts.clips(numbers, loaded.device),
        shared_prefix=shared_prefix,
        entropy=True,
    )


def scored(loaded, batch):
    loaded.model.zero_grad()
    logps, entropies = answer_logps(loaded.model, batch)
    weights = torch.linspace(-1, 1, logps.numel()).view_as(logps)
    (logps * weights).sum().backward()
    grads = [p.grad.flatten() for p in loaded.model.parameters() if p.grad is not None]
    return logps.detach(), entropies, torch.cat(grads)


def assert_same(got, expected):
    """Values, entropies and gradients."""
    assert (got[0] - expected[0]).abs().max() < 1e-5
    assert (got[1] - expected[1]).abs().max() < 1e-5
    assert (got[2] - expected[2]).norm() / expected[2].norm() < 1e-5


def assert_own_forward(loaded, batch, logps):
    """Each row alone, by the model's own forward: logits at one place predict the next token."""
    for row in range(len(batch.ids)):
        prompt = batch.prompt_ids[row][batch.prompt_mask[row].bool()]
        answer = batch.ids[row][batch.mask[row].bool()]
        used = batch.clips.clip[batch.group[row]]
        used = used[used >= 0]
        clips = {
            "input_features": batch.clips.input_features[used],
            "feature_attention_mask": batch.clips.feature_attention_mask[used],
        }
        with torch.no_grad():
            logits = loaded.model(
                input_ids=torch.cat([prompt, answer])[None], **(clips if len(used) else {})
            ).logits[0, len(prompt) - 1 : -1]
        logits = logits / batch.temperature
        expected = torch.log_softmax(logits, dim=-1).gather(-1, answer[:, None])[:, 0]
        torch.testing.assert_close(logps[row, : len(answer)], expected, atol=1e-5, rtol=0)
        assert (logps[row, len(answer) :] == 0).all()


@pytest.mark.parametrize(
    ("sizes", "attention"),
    [([1], "sdpa"), ([3, 1, 8, 2, 0, 2], "sdpa"), ([3, 1, 8, 2, 0, 2], "eager")],
)
def test_packed_rows_equal_plain_rows(loaded, prompts, sizes, attention):
    """Several clips, so that one paired with the wrong prompt is found; one prompt has none."""
    loaded.model.set_attn_implementation(attention)
    packed = scored(loaded, answers(loaded, prompts, sizes, shared_prefix=True))
    assert_same(packed, scored(loaded, answers(loaded, prompts, sizes, shared_prefix=False)))


def test_gradients_are_equal_to_the_bit_every_time(loaded, prompts):
    """Answers share a prompt's end: threads must not decide in which order theirs are summed."""
    batch = answers(loaded, prompts, [8] * 5, shared_prefix=True, width=40)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        first, *others = (scored(loaded, batch)[2] for _ in range(6))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("shared_prefix", [False, True])
def test_logps_equal_the_model_s_own_forward(loaded, prompts, shared_prefix, temperature):
    batch = answers(loaded, prompts, [2, 1, 3, 0, 0, 1], shared_prefix)
    batch = replace(batch, temperature=temperature)
    assert_own_forward(loaded, batch, answer_logps(loaded.model, batch)[0].detach())


def test_what_is_not_asked_for_is_plain_and_without_entropy(loaded, prompts):
    """And an entropy has a gradient only where it is trained on."""
    full = answers(loaded, prompts, [2, 1], shared_prefix=True)
    names = ("prompt_ids", "prompt_mask", "ids", "mask", "group", "clips")
    plain = Answers(**{name: getattr(full, name) for name in names})
    expected = replace(full, temperature=1.0, entropy=False, entropy_gradient=False)
    assert plain == replace(expected, shared_prefix=True)
    logps, none = answer_logps(loaded.model, plain)
    assert none is None and logps.requires_grad
    for wanted in (False, True):
        batch = replace(full, entropy_gradient=wanted)
        again, entropies = answer_logps(loaded.model, batch)
        assert torch.equal(again, logps) and entropies.requires_grad is wanted
    with torch.no_grad():
        assert not answer_logps(loaded.model, batch)[1].requires_grad


@pytest.mark.parametrize("shared_prefix", [False, True])
def test_rows_without_any_token_score_nothing(loaded, prompts, shared_prefix):
    """As TRL makes of truncated answers that are to be masked."""
    batch = answers(loaded, prompts, [2, 1], shared_prefix)
    batch.mask[1] = 0
    logps, entropies = answer_logps(loaded.model, batch)
    assert logps.isfinite().all() and entropies.isfinite().all() and (logps[1] == 0).all()
    batch.mask[:] = 0
    logps, _ = answer_logps(loaded.model, batch)
    logps.sum().backward()
    assert (logps == 0).all()


def test_each_distinct_clip_is_encoded_once(loaded, questions, encoded):
    prompts = PromptCache(loaded)
    for text, clip in (("one", 0), ("two", 0), ("three", 1)):
        prompts.number(text, questions[clip].audio)
    for shared_prefix, count in ((True, 2), (False, 7)):
        answer_logps(loaded.model, answers(loaded, prompts, [2, 3, 2], shared_prefix))
        assert encoded.pop() == count


def test_kept_features_of_a_frozen_encoder_give_the_same(loaded, prompts, encoded):
    """Also the gradients of all that is above the encoder, and when the cache is too small."""
    loaded.model.model.audio_tower.requires_grad_(False)
    sizes = [2, 2, 3]
    expected = scored(loaded, answers(loaded, prompts, sizes, shared_prefix=True))
    encoded.clear()
    for capacity, kept in ((2**20, 3), (1, 1)):
        prompts.states = AudioFeatureCache(capacity)
        for _ in range(2):
            assert_same(scored(loaded, answers(loaded, prompts, sizes, True)), expected)
        assert len(prompts.states) == kept
    assert encoded[0] == 3 and len(encoded) == 3, "the large cache is asked in vain once"


@pytest.mark.parametrize("row_tokens", [1, 90])
def test_split_packs_give_the_same(loaded, prompts, row_tokens):
    """A budget under a prompt's length leaves each answer a row of its own."""
    whole = answers(loaded, prompts, [5, 8, 1], shared_prefix=True)
    assert_same(scored(loaded, replace(whole, row_tokens=row_tokens)), scored(loaded, whole))


def test_packs_keep_to_the_budget_and_lose_no_answer():
    groups = [0, 1, 0, 0, 1, 0]
    prompts = [[10, 20][group] for group in groups]
    packs, starts, first = pack_answers(prompts, groups, [4, 9, 4, 4, 3, 30], row_tokens=20)
    assert packs == [0, 1, 0, 2, 3, 4] and starts == [0, 0, 4, 0, 0, 0]
    assert first == [0, 1, 3, 4, 5]
    assert pack_answers([10, 10], [0, 0], [5, 5], row_tokens=20) == ([0, 0], [0, 5], [0])
    assert pack_answers([10, 10], [0, 0], [5, 6], row_tokens=20) == ([0, 1], [0, 0], [0, 1])


def test_trained_weights_are_no_less_exact(questions):
    """The shipped checkpoint, whose log-probabilities span many nats."""
    trained = load(TINY / "model", device="cpu", dtype="float32")
    prompts = PromptCache(trained)
    for question in questions:
        prompts.number(build_prompt(question.question, question.choices, 2), question.audio)
    plain = scored(trained, answers(trained, prompts, [8, 5, 1], shared_prefix=False))
    assert plain[0].min() < -10
    assert_same(scored(trained, answers(trained, prompts, [8, 5, 1], shared_prefix=True)), plain)


def test_two_clips_in_one_prompt(loaded, prompts):
    """The first prompt is about clips 0 and 1, the second about clip 2."""
    batch = answers(loaded, prompts, [2, 1, 3], shared_prefix=True)
    audio = loaded.model.config.audio_token_id
    first, second = prompts[0].ids, prompts[1].ids
    place = first.index(audio) + first.count(audio)
    both = first[:place] + [7] + [audio] * second.count(audio) + first[place:]
    texts, group = [both, prompts[2].ids], torch.tensor([1, 0, 0, 1, 0, 1])
    width = max(map(len, texts))
    padded = torch.tensor([[0] * (width - len(p)) + p for p in texts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in texts])
    clips = replace(batch.clips, clip=torch.tensor([[0, 1], [2, -1]]))
    batch = replace(
        batch, prompt_ids=padded[group], prompt_mask=mask[group], group=group, clips=clips
    )
    packed = scored(loaded, batch)
    assert_same(packed, scored(loaded, replace(batch, shared_prefix=False)))
    assert_own_forward(loaded, batch, packed[0])


def test_a_wrong_number_of_audio_tokens_is_an_error(loaded, prompts):
    batch = answers(loaded, prompts, [1, 1], shared_prefix=True)
    batch.clips.feature_attention_mask[0, 20:] = 0
    with pytest.raises(ValueError, match="audio tokens"):
        answer_logps(loaded.model, batch)


def test_the_forward_call_scores_and_is_the_model_s_own_again(loaded, prompts, tmp_path):
    batch, plain = answers(loaded, prompts, [2], shared_prefix=True), type(loaded.model)
    enable_scoring(loaded.model)
    assert loaded.model(work=lambda model: model is loaded.model)
    torch.testing.assert_close(loaded.model(answers=batch)[0], answer_logps(loaded.model, batch)[0])
    assert loaded.model(input_ids=torch.tensor([[7, 8]])).logits.shape[:2] == (1, 2)
    loaded.model.save_pretrained(tmp_path)
    assert f'"{plain.__name__}"' in (tmp_path / "config.json").read_text()
    disable_scoring(loaded.model)
    assert type(loaded.model) is plain and "forward" not in vars(loaded.model)


def test_encoded_prompts_are_the_processor_s(loaded, questions, prompts):
    question = questions[3]
    expected = loaded.processor(
        text=[chat_text(loaded, question.question)],
        audio=[load_audio(question.audio)],
        sampling_rate=16_000,
        return_tensors="pt",
    )
    got = prompts[prompts.number(question.question, question.audio)]
    assert got.ids == expected["input_ids"][0].tolist()
    torch.testing.assert_close(got.input_features, expected["input_features"][0])
    text = loaded.processor.tokenizer.decode(prompts[5].ids)
    assert "<|AUDIO|>" not in text and questions[5].question in text


def test_prompts_with_and_without_a_recording_may_be_in_one_batch(prompts):
    clips = prompts.clips([5, 0, 5, 1, 0], torch.device("cpu"))
    assert clips.clip.tolist() == [[-1], [0], [-1], [1], [0]]
    assert len(clips.input_features) == len(clips.keys) == 2


def test_the_cache_is_bounded_and_makes_again_what_it_dropped(prompts, monkeypatch):
    first = prompts[0]
    size = first.input_features.nbytes
    monkeypatch.setattr(prompts._encoded, "_capacity", 3 * size)
    for number in range(5):
        prompts[number]
    assert len(prompts._encoded) == 2
    again = prompts[0]
    assert again is not first and torch.equal(again.input_features, first.input_features)


def draw(loaded, prompts, group, config, shared_prefix):
    ids, mask = prompts.tokens([0, 1, 2], loaded.device)
    clips = prompts.clips([0, 1, 2], loaded.device)
    return sample_answers(loaded.model, ids, mask, clips, group, config, shared_prefix)


@pytest.mark.parametrize("shared_prefix", [False, True])
def test_greedy_rollouts_are_those_of_generate(loaded, prompts, shared_prefix):
    group = torch.tensor([2, 0, 1, 0, 2])
    config = greedy_config(loaded, max_new_tokens=9)
    got = draw(loaded, prompts, group, config, shared_prefix)
    for row, number in enumerate(group.tolist()):
        prompt = prompts[number]
        expected = loaded.model.generate(
            input_ids=torch.tensor([prompt.ids]),
            attention_mask=torch.ones(1, len(prompt.ids), dtype=torch.long),
            input_features=prompt.input_features[None],
            feature_attention_mask=prompt.feature_attention_mask[None],
            generation_config=config,
        )[0, len(prompt.ids) :]
        assert got[row, : len(expected)].tolist() == expected.tolist()


def test_samples_follow_the_model_s_distribution(loaded, prompts):
    """Chi-square over the first token: the likeliest nine, and all the others."""
    scipy = pytest.importorskip("scipy.stats")
    count, group = 1000, torch.full((1000,), 1)
    with torch.no_grad():
        loaded.model.lm_head.weight.mul_(20)  # a random model is all but uniform
        logits = loaded.model(
            input_ids=torch.tensor([prompts[1].ids]),
            input_features=prompts[1].input_features[None],
            feature_attention_mask=prompts[1].feature_attention_mask[None],
        ).logits[0, -1]
    p = torch.softmax(logits.double(), dim=-1).numpy()
    p[loaded.model.config.audio_token_id] = 0  # never sampled
    p /= p.sum()
    torch.manual_seed(11)
    config = sampling_config(loaded, 1)
    drawn = draw(loaded, prompts, group, config, shared_prefix=True)[:, 0].numpy()
    top = np.argsort(p)[::-1][:9]
    observed = [np.sum(drawn == token) for token in top]
    observed.append(count - sum(observed))
    expected = [count * p[token] for token in top]
    expected.append(count - sum(expected))
    assert scipy.chisquare(observed, expected).pvalue > 0.001
    assert scipy.chisquare(observed, expected[1:] + expected[:1]).pvalue < 1e-6


def test_bfloat16_is_exact_within_its_own_rounding(loaded, prompts):
    """Packed and plain differ from float32 by like amounts, and no more from one another."""
    exact = scored(loaded, answers(loaded, prompts, [4, 3], shared_prefix=False))[0]
    loaded.model.to(torch.bfloat16)
    plain, packed = (
        scored(loaded, answers(loaded, prompts, [4, 3], shared_prefix=shared))[0]
        for shared in (False, True)
    )
    rounding = (plain - exact).abs().mean()
    assert rounding > 1e-4, "not in bfloat16"
    assert (packed - exact).abs().mean() < 1.5 * rounding
    assert (packed - plain).abs().mean() < 2 * rounding
