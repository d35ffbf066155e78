"""The trainer against a plain implementation, written here: one row at a time, float32."""

import copy
from functools import partial

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, Qwen2AudioForConditionalGeneration, TrainerCallback

from r1aqa_helpers.data.audio import load_audio
from r1aqa_helpers.data.prompts import build_prompt
from r1aqa_helpers.models import chat_text
from r1aqa_helpers.models.lora import lora_config
from r1aqa_helpers.training.grpo.objective import group_advantages, grpo_loss
from r1aqa_helpers.training.grpo.run import audio_grpo_config
from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer
from r1aqa_helpers.training.logprobs import ScoringQwen2Audio, disable_scoring
from r1aqa_helpers.utils.errors import UserError

GROUP, ANSWER = 4, 6


def rows(questions, order=None):
    clips = order or range(len(questions))
    return Dataset.from_list(
        [
            {
                "id": q.id,
                "prompt": build_prompt(q.question, q.choices, 2),
                "audio": str(questions[clip].audio),
                "solution": q.answer,
            }
            for q, clip in zip(questions, clips, strict=True)
        ]
    )


class Recorder(TrainerCallback):
    """Parameters, gradients and logs of each step; answers as the reward function gets them."""

    def __init__(self):
        self.parameters, self.gradients, self.logs, self.sampled = [], [], [], []

    def reward(self, completions, completion_ids, id, **columns):
        rewards = [float(sum(answer) % 3) for answer in completion_ids]
        self.sampled.append(list(zip(id, completion_ids, rewards, strict=True)))
        return rewards

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.parameters.append({k: p.detach().clone() for k, p in model.named_parameters()})
        self.gradients.append(gradients_of(model))

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.logs.append(dict(logs))


def make(loaded, data, tmp_path, recorder, shared_prefix=True, peft_config=None, **overrides):
    settings = {
        "num_generations": GROUP,
        "per_device_train_batch_size": GROUP,
        "max_completion_length": ANSWER,
        "learning_rate": 1e-3,
        "max_grad_norm": 0.0,
        "max_steps": 1,
        "shuffle_dataset": False,
        "use_cpu": True,
        "save_strategy": "no",
        **overrides,
    }
    trainer = AudioGRPOTrainer(
        model=loaded.model,
        reward_funcs=recorder.reward,
        args=audio_grpo_config(tmp_path, **settings),
        processing_class=loaded.processor,
        train_dataset=data,
        shared_prefix=shared_prefix,
        peft_config=peft_config,
        callbacks=[recorder],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def plain_logps(model, loaded, row, answer, temperature=1.0):
    """(T,) by the model's own forward, on one row without padding."""
    text, wave = chat_text(loaded, row["prompt"]), load_audio(row["audio"])
    inputs = loaded.processor(
        text=[text], audio=[wave], sampling_rate=16_000, return_tensors="pt", padding=True
    )
    ids = torch.cat([inputs.pop("input_ids"), torch.tensor([answer])], dim=1)
    mask = torch.ones_like(ids)
    inputs.pop("attention_mask")
    forward = Qwen2AudioForConditionalGeneration.forward
    logits = forward(model, input_ids=ids, attention_mask=mask, **inputs).logits
    logps = torch.log_softmax(logits[0, -len(answer) - 1 : -1] / temperature, dim=-1)
    return logps[torch.arange(len(answer)), torch.tensor(answer)]


def plain_update(policy, old, reference, loaded, data, sampled, temperature=1.0):
    """Loss and gradients of `objective.grpo_loss` on one full row after another."""
    by_id = {row["id"]: row for row in data}
    policy.zero_grad()
    advantages = group_advantages(torch.tensor([reward for _, _, reward in sampled]), GROUP)
    total = 0.0
    for (name, answer, _), advantage in zip(sampled, advantages, strict=True):
        with torch.no_grad():
            before, base = (
                plain_logps(model, loaded, by_id[name], answer, temperature)[None]
                for model in (old, reference)
            )
        new = plain_logps(policy, loaded, by_id[name], answer, temperature)[None]
        loss = grpo_loss(new, before, base, advantage[None], torch.ones_like(new)) / len(sampled)
        loss.backward()
        total += loss.item()
    return total, gradients_of(policy)


def gradients_of(model):
    return {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}


def relative_error(gradients, expected):
    """|g - g'| / |g'| over all parameters."""
    assert gradients.keys() == expected.keys()
    difference = sum((gradients[k] - expected[k]).double().square().sum() for k in expected)
    return (difference / sum(g.double().square().sum() for g in expected.values())).sqrt().item()


def shifted(model, seed=1, by=0.3):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn_like(parameter) * parameter.std().nan_to_num(0))
    return model


def at(model, parameters):
    model = copy.deepcopy(model)
    disable_scoring(model)
    model.load_state_dict(parameters, strict=False)
    return model


@pytest.mark.parametrize(
    ("shared_prefix", "per_device", "accumulation", "temperature"),
    [
        (True, GROUP, 3, 1.0),
        (True, 2, 6, 1.7),
        (True, 3 * GROUP, 1, 1.0),
        (False, 2, 6, 1.0),
        (False, 3 * GROUP, 1, 1.7),
    ],
)
def test_loss_and_gradients_equal_a_plain_implementation(
    loaded, questions, tmp_path, per_device, accumulation, shared_prefix, temperature
):
    """A group at a time, half a group at a time, three groups at a time."""
    data, recorder = rows(questions), Recorder()
    trainer = make(
        loaded, data, tmp_path, recorder, shared_prefix, per_device_train_batch_size=per_device,
        gradient_accumulation_steps=accumulation, temperature=temperature,
    )  # fmt: skip
    reference = copy.deepcopy(trainer.ref_model)
    shifted(trainer.model)  # so that the KL term has a gradient
    trainer.train()

    policy = at(loaded.model, recorder.parameters[0])
    sampled = recorder.sampled[0]
    assert len(sampled) == per_device * accumulation
    assert len({reward for _, _, reward in sampled}) > 1, "nothing to learn from"
    models = policy, policy, reference, loaded
    loss, gradients = plain_update(*models, data, sampled, temperature)
    assert recorder.logs[0]["loss"] == pytest.approx(loss, abs=1e-5)
    assert recorder.logs[0]["kl"] > 1e-4
    assert relative_error(recorder.gradients[0], gradients) < 1e-5

    # The clips are paired with their prompts: with others, the gradients are not these.
    swapped = rows(questions, order=[1, 2, 0, 3, 4, 5])
    _, others = plain_update(*models, swapped, sampled, temperature)
    assert relative_error(recorder.gradients[0], others) > 1e-3


@pytest.mark.parametrize("shared_prefix", [False, True])
def test_second_iteration_uses_the_old_policy(loaded, questions, tmp_path, shared_prefix):
    data, recorder = rows(questions), Recorder()
    trainer = make(
        loaded, data, tmp_path, recorder, shared_prefix, per_device_train_batch_size=2 * GROUP,
        num_iterations=2, max_steps=2, learning_rate=1e-2,
    )  # fmt: skip
    reference = copy.deepcopy(trainer.ref_model)
    trainer.train()
    assert len(recorder.sampled) == 1
    old, policy = (at(loaded.model, parameters) for parameters in recorder.parameters)
    _, gradients = plain_update(policy, old, reference, loaded, data, recorder.sampled[0])
    assert recorder.logs[1]["clip_ratio/region_mean"] > 0
    assert relative_error(recorder.gradients[1], gradients) < 1e-5


def test_rollouts_are_kept_with_their_questions(loaded, questions, tmp_path):
    recorder = Recorder()
    trainer = make(
        loaded, rows(questions), tmp_path, recorder, per_device_train_batch_size=2 * GROUP
    )
    trainer.train()
    rollouts, sampled = trainer.rollouts, recorder.sampled[0]
    assert [(r["step"], r["id"]) for r in rollouts] == [(1, "q0"), (1, "q1")]
    flat = [value for rollout in rollouts for value in rollout["rewards"]]
    assert flat == [reward for _, _, reward in sampled]
    decode = loaded.processor.tokenizer.decode
    texts = [decode(answer, skip_special_tokens=True) for _, answer, _ in sampled]
    assert [text for rollout in rollouts for text in rollout["completions"]] == texts
    for rollout in rollouts:
        expected = group_advantages(torch.tensor(rollout["rewards"]), GROUP).tolist()
        assert rollout["advantages"] == pytest.approx(expected, abs=1e-5)


def sampling_shared(trainer, model, numbers):
    chosen, trainer.shared_prefix = trainer.shared_prefix, True
    try:
        return AudioGRPOTrainer.sample(trainer, model, numbers)
    finally:
        trainer.shared_prefix = chosen


@pytest.mark.parametrize(
    "settings",
    [
        {"beta": 0.0, "loss_type": "dapo", "gradient_accumulation_steps": 2},
        {"num_iterations": 2, "max_steps": 4},
        {"steps_per_generation": 3, "max_steps": 3},
        {"beta": 0.0, "entropy_coef": 0.1},
        {"gradient_checkpointing": True},
        {"peft_config": LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.0)},
    ],
    ids=lambda settings: " ".join(map(str, settings)),
)
def test_settings_give_what_the_plain_path_gives(loaded, questions, tmp_path, settings):
    """On the same answers: where rows end early, the two paths sample in another order."""
    shifted(loaded.model, by=0.1)
    settings = {"per_device_train_batch_size": 2 * GROUP, "learning_rate": 1e-4, **settings}
    recorders = Recorder(), Recorder()
    for recorder, shared in zip(recorders, (True, False), strict=True):
        model = copy.deepcopy(loaded)
        trainer = make(model, rows(questions), tmp_path, recorder, shared, **settings)
        trainer.sample = partial(sampling_shared, trainer)
        torch.manual_seed(7)
        trainer.train()
    ours, theirs = recorders
    assert ours.sampled == theirs.sampled and len(ours.gradients) == len(theirs.gradients) > 0
    for one, other in zip(ours.gradients, theirs.gradients, strict=True):
        assert relative_error(one, other) < 1e-4  # over several steps, rounding adds up
    for one, other in zip(ours.logs, theirs.logs, strict=True):
        for name in {"loss", "reward", "kl", "entropy", "clip_ratio/region_mean"} & other.keys():
            assert one[name] == pytest.approx(other[name], abs=1e-5)


def test_a_frozen_encoder_hears_each_clip_once(loaded, questions, tmp_path, encoded):
    """In the rollout; reference, old policy and policy take what was kept."""
    loaded.model.model.audio_tower.requires_grad_(False)
    settings = {"per_device_train_batch_size": 3 * GROUP, "num_iterations": 2, "max_steps": 4}
    make(loaded, rows(questions), tmp_path, Recorder(), **settings).train()
    assert sum(encoded) == len(questions)
    encoded.clear()
    loaded.model.model.audio_tower.requires_grad_(True)
    make(loaded, rows(questions), tmp_path, Recorder(), **settings).train()
    assert sum(encoded) > 4 * len(questions)


def drawn(trainer, times=4):
    """Answers to each question, so many ``times``."""
    numbers = torch.tensor([trainer.number_prompt(row) for row in trainer.train_dataset])
    torch.manual_seed(3)
    return trainer.sample(trainer.model, numbers.repeat(times))


def test_audio_tokens_are_never_sampled(loaded, questions, tmp_path):
    audio = loaded.model.config.audio_token_id
    with torch.no_grad():  # an audio token at every step, if it may
        loaded.model.lm_head = torch.nn.Linear(64, loaded.model.config.text_config.vocab_size)
        loaded.model.lm_head.weight.zero_()
        loaded.model.lm_head.bias.zero_()[audio] = 50.0
    answers = drawn(make(loaded, rows(questions), tmp_path, Recorder()), 1)
    assert sum(map(len, answers)) > 0
    assert all(audio not in answer for answer in answers)


@pytest.mark.parametrize("shared_prefix", [False, True])
def test_each_answer_is_to_its_own_question_at_the_temperature_asked_for(
    lively, questions, tmp_path, shared_prefix
):
    """Near temperature 0 the likeliest answer is drawn, which differs by question."""
    model = copy.deepcopy(lively)
    trainer = make(model, rows(questions), tmp_path, Recorder(), shared_prefix, temperature=1e-5)
    alone = [
        trainer.sample(trainer.model, torch.tensor([number]))[0]
        for number in map(trainer.number_prompt, trainer.train_dataset)
    ]
    assert len({tuple(answer) for answer in alone}) > 3
    assert drawn(trainer, 2) == alone * 2


@pytest.mark.parametrize("shared_prefix", [False, True])
def test_the_checkpoint_s_sampling_settings_do_not_leak_in(
    loaded, questions, tmp_path, shared_prefix
):
    """Qwen2-Audio ships top-p 0.5, top-k 20, temperature 0.7 and a repetition penalty."""
    answers = []
    for shipped in ({}, {"top_p": 0.01, "top_k": 1, "temperature": 0.1, "min_p": 0.9,
                         "repetition_penalty": 5.0, "no_repeat_ngram_size": 1}):  # fmt: skip
        loaded.model.generation_config.update(**shipped)
        answers.append(drawn(make(loaded, rows(questions), tmp_path, Recorder(), shared_prefix)))
    assert answers[0] == answers[1]
    assert len({tuple(answer) for answer in answers[1]}) > 12, "drawn, not chosen"
    assert loaded.model.generation_config.top_k == 1, "and the checkpoint keeps its own"


def test_a_prompt_that_is_too_long_is_named_and_not_cut(loaded, questions, tmp_path):
    trainer = make(loaded, rows(questions), tmp_path, Recorder())
    lengths = [len(trainer.prompts[trainer.number_prompt(row)].ids) for row in rows(questions)]
    trainer.max_prompt = max(lengths) - 1
    with pytest.raises(UserError, match=rf"question q5: .*{max(lengths)} tokens"):
        for row in rows(questions):
            trainer.number_prompt(row)


def test_lora_trains_the_language_model_only_and_refers_to_the_base(loaded, questions, tmp_path):
    data, recorder, original = rows(questions), Recorder(), copy.deepcopy(loaded.model)
    trainer = make(
        loaded, data, tmp_path, recorder, peft_config=lora_config(4), max_steps=2,
        per_device_train_batch_size=2 * GROUP, learning_rate=1e-2,
    )  # fmt: skip
    assert trainer.ref_model is None
    names = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    assert len(names) == 2 * 7 * 2  # layers, projections, matrices
    assert all("language_model.layers" in name for name in names)
    trainer.train()

    # The adapter has moved by step 2: the KL against the model without it is no longer 0.
    assert recorder.logs[0]["kl"] == pytest.approx(0, abs=1e-7)
    assert recorder.logs[1]["kl"] > 1e-4
    policy = copy.deepcopy(trainer.release())
    policy.load_state_dict(recorder.parameters[1], strict=False)
    merged = policy.merge_and_unload()
    sampled = recorder.sampled[1]
    by_id = {row["id"]: row for row in data}
    divergences = []
    with torch.no_grad():
        for name, answer, _ in sampled:
            new = plain_logps(merged, loaded, by_id[name], answer)
            d = plain_logps(original, loaded, by_id[name], answer) - new
            divergences.append(torch.exp(d) - d - 1)
    assert recorder.logs[1]["kl"] == pytest.approx(torch.cat(divergences).mean().item(), rel=1e-3)


def test_release_gives_the_plain_model_back(loaded, questions, tmp_path):
    trainer = make(loaded, rows(questions), tmp_path, Recorder())
    assert type(loaded.model) is ScoringQwen2Audio and trainer.ref_model is not loaded.model
    trainer.train()
    model = trainer.release()
    assert model is loaded.model and type(model) is Qwen2AudioForConditionalGeneration
    assert "forward" not in model.__dict__ and not hasattr(model.config, "image_token_id")
    assert trainer.args.beta == trainer.beta == 0.04
