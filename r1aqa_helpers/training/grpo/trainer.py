"""TRL's GRPO trainer with audio: sampling, scoring and reference get the clip, too."""

import copy
from typing import Any

import torch
from accelerate.utils import is_peft_model
from torch import nn
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
)
from trl import GRPOConfig

from r1aqa_helpers.models import AudioFeatureCache, Clips, LoadedModel, decode, embed_prompts
from r1aqa_helpers.models.generation_config import NEUTRAL, own_generation_config
from r1aqa_helpers.models.precision import is_quantised
from r1aqa_helpers.training.callbacks import ExactResume
from r1aqa_helpers.training.grpo.trl_compat import TRLCompat, checked
from r1aqa_helpers.training.logprobs import disable_scoring, enable_scoring
from r1aqa_helpers.training.out_of_memory import HalvesBatches
from r1aqa_helpers.training.prompt_cache import CAPACITY, PromptCache
from r1aqa_helpers.utils.errors import UserError


class AudioGRPOTrainer(HalvesBatches, ExactResume, TRLCompat):
    """`trl.GRPOTrainer` for Qwen2-Audio and questions about recordings.

    Rows of the data set hold ``prompt`` (text of the user's turn), ``audio`` (path), ``id``, and
    what the reward functions ask for (``solution``). Reward functions get completions as plain
    strings. The loop, logging, checkpoints, PEFT and accumulation are TRL's and transformers'.

    The loss is that of `objective.grpo_loss`. A step computes it in these calls:

    1. ``GRPOTrainer._generate_and_score_completions``: samples (`sample`), rewards, advantages,
       and the reference model's log-probabilities.
    2. ``GRPOTrainer._compute_loss``: the formula, on the policy's log-probabilities.
    3. ``_get_per_token_logps_and_entropies``, from which both get log-probabilities, is
       overridden in `TRLCompat`: it calls the model, whose forward pass is
       `logprobs.answer_logps`.

    With ``shared_prefix`` a group's prompt is computed once; without, once per answer, with the
    same result. A frozen audio encoder's output for a clip is kept in either case.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        reward_funcs: Any,
        args: GRPOConfig,
        processing_class: Qwen2AudioProcessor,
        max_prompt: int | None = None,
        shared_prefix: bool = True,
        compile_rollouts: bool = False,
        **arguments: Any,
    ) -> None:
        """Any other argument is passed on to `trl.GRPOTrainer`.

        The KL term's reference is ``model`` as it is now: a frozen copy or, where an adapter is
        trained, the model without it.

        Args:
            max_prompt: the most tokens, audio tokens included, that a prompt may have; a
                longer one is a ``UserError``, and is never cut.
            compile_rollouts: see `GRPOSettings`; only with ``shared_prefix``.

        Raises:
            UserError: ``shared_prefix`` with an attention that takes no block mask.
        """
        attention = model.config.get_text_config()._attn_implementation
        if shared_prefix and attention not in ("sdpa", "eager"):
            raise UserError(
                f"model: {attention} takes no block mask; load it with "
                "attn_implementation='sdpa', or set shared_prefix to False"
            )
        self.max_prompt, self.shared_prefix = max_prompt, shared_prefix
        self.compile_rollouts = compile_rollouts
        self.loaded = LoadedModel(model, processing_class, model.config._name_or_path)
        self.prompts = PromptCache(self.loaded)
        enable_scoring(_base(model))
        adapted = arguments.get("peft_config") is not None or is_peft_model(model)
        full = args.beta and not adapted
        reference = copy.deepcopy(model).requires_grad_(False) if full else None
        # All at once: a batch has its rows in the order of their numbers, and sums are rounded in
        # that order, so that a resumed run must not number them as it happens to meet them.
        for row in arguments.get("train_dataset") or ():
            self.prompts.number(row["prompt"], row["audio"])
        rewards = reward_funcs if isinstance(reward_funcs, list) else [reward_funcs]
        rewards = [checked(one) if callable(one) else one for one in rewards]
        arguments |= {"reward_funcs": rewards, "processing_class": processing_class}
        super().__init__(model, reference, args, **arguments)
        if is_quantised(self.model):
            # TRL has made them bfloat16, in which float16's gradients cannot be scaled back.
            for parameter in self.model.parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.data.float()
        self.eos_token_ids = self.loaded.eos_ids
        encoder = _base(self.model).model.audio_tower
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            self.prompts.states = AudioFeatureCache(CAPACITY)

    def release(self) -> PreTrainedModel:
        """The trained model as it was before the trainer took hold of it, adapter still on."""
        model = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        disable_scoring(_base(model))
        return model.eval()

    def number_prompt(self, row: dict[str, Any]) -> int:
        """The cache's number; a prompt over ``max_prompt`` is a ``UserError``."""
        number = self.prompts.number(row["prompt"], row["audio"])
        length = len(self.prompts[number].ids)
        if self.max_prompt is not None and length > self.max_prompt:
            raise UserError(
                f"question {row.get('id')}: its prompt has {length} tokens, "
                f"max_prompt is {self.max_prompt}; raise it or leave the question out"
            )
        return number

    def sample(self, model: nn.Module, numbers: torch.Tensor) -> list[list[int]]:
        """One sampled answer per number, with the trainer's temperature and limits."""
        if "rollout" not in self.halved:
            try:
                return self._sample(model, numbers)
            except torch.OutOfMemoryError:
                pass
            self.halve("rollout")
        try:
            return [one for part in numbers.chunk(2) for one in self._sample(model, part)]
        except torch.OutOfMemoryError:
            pass
        raise self._too_large("not even in halves", "rollout")

    def _sample(self, model: nn.Module, numbers: torch.Tensor) -> list[list[int]]:
        distinct, group = numbers.unique(return_inverse=True)
        device, ends = self.accelerator.device, self.loaded.eos_ids
        tokens = sample_answers(
            _base(model),
            *self.prompts.tokens(distinct.tolist(), device),
            self.prompts.clips(distinct.tolist(), device),
            group.to(device),
            self._sampling_config(),
            self.shared_prefix,
        )
        answers = []
        for row in tokens.tolist():
            end = next((place for place, token in enumerate(row) if token in ends), len(row))
            answers.append(row[: end + 1])
        return answers

    def _sampling_config(self) -> GenerationConfig:
        """Every field set: by the training configuration, or without effect."""
        fields = {**NEUTRAL, **self.generation_kwargs}
        # An audio token in an answer would ask for audio features that do not exist.
        suppressed = {self.loaded.model.config.audio_token_id, *fields["suppress_tokens"]}
        fields |= {"eos_token_id": self.loaded.eos_ids, "pad_token_id": self.loaded.pad_id}
        fields["disable_compile"] = not self.compile_rollouts
        return GenerationConfig(**{**fields, "suppress_tokens": sorted(suppressed)})


def _base(model: nn.Module) -> nn.Module:
    """The Qwen2-Audio within an adapter, or itself."""
    return model.get_base_model() if is_peft_model(model) else model


@torch.no_grad()
def sample_answers(
    model: Qwen2AudioForConditionalGeneration,
    prompt_ids: torch.Tensor,
    prompt_mask: torch.Tensor,
    clips: Clips,
    group: torch.Tensor,
    config: GenerationConfig,
    shared_prefix: bool = True,
) -> torch.Tensor:
    """Sample one answer per row, ignoring the checkpoint's generation settings.

    With ``shared_prefix`` by `models.decode`: each prompt goes through the language model once,
    and its rows get copies of its key/value cache. Without, by ``generate``, row by row. The
    distributions are equal.

    Args:
        prompt_ids: (B, P), padded on the left, one per group; ``prompt_mask`` likewise.
        clips: those of the B prompts.
        group: (N,), each row's prompt.
        config: with every field set; `models.generation_config` says why.

    Returns:
        (N, T) tokens, filled up with the pad token after the end token.
    """
    if shared_prefix:
        embedded = embed_prompts(model, prompt_ids, clips)
        return decode(model, prompt_ids, prompt_mask, embedded, group, config)
    embedded = embed_prompts(model, prompt_ids[group], clips.repeated(group))
    with own_generation_config(model, config):
        return model.generate(
            inputs_embeds=embedded, attention_mask=prompt_mask[group], generation_config=config
        )
