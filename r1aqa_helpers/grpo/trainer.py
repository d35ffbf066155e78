"""TRL's GRPO trainer, made to hear: the clip goes along into sampling, scoring and reference."""

import copy
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import is_peft_model
from torch import nn
from transformers import GenerationConfig, PreTrainedModel, Qwen2AudioProcessor
from trl import GRPOConfig

from ..errors import UserError
from ..models import LoadedModel, StateCache
from ..models.decoding import NEUTRAL
from ..models.quantised import is_quantised
from ..training import ExactResume, check_loss
from .prompt_store import CAPACITY, PromptStore
from .rollout import sample_answers
from .scoring import ROW_TOKENS, Answers, accept_answers, refuse_answers
from .trl_private import TRLSeam


def audio_grpo_config(out_dir: str | Path, **overrides: Any) -> GRPOConfig:
    """R1-AQA's settings, every one set here, where TRL's own defaults have moved on.

    From src/train.py of https://github.com/xiaomi-research/r1-aqa and the defaults of the
    TRL 0.15.2 that it ran on. What is not about the method: nothing is reported to services,
    no progress bar is drawn, and bfloat16 autocast is off, since the model's own dtype rules.

    Args:
        out_dir: for checkpoints.
        overrides: fields of ``trl.GRPOConfig``.
    """
    settings = {
        "beta": 0.04,
        "num_generations": 8,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": None,
        "repetition_penalty": 1.0,
        "max_completion_length": 256,
        "learning_rate": 1e-6,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "loss_type": "grpo",
        "epsilon": 0.2,
        "num_iterations": 1,
        "scale_rewards": "group",
        "importance_sampling_level": "token",
        "use_bias_correction_kl": False,
        "mask_truncated_completions": False,
        "reward_weights": None,
        "gradient_checkpointing": False,
        "disable_dropout": True,
        "bf16": False,
        "seed": 42,
        "report_to": "none",
        "disable_tqdm": True,
        "ddp_find_unused_parameters": False,
        "logging_steps": 1,
        "per_device_train_batch_size": 8,
    }
    return GRPOConfig(output_dir=str(out_dir), **{**settings, **overrides})


class AudioGRPOTrainer(ExactResume, TRLSeam):
    """`trl.GRPOTrainer` for Qwen2-Audio and questions about recordings.

    Rows of the data set hold ``prompt`` (text of the user's turn), ``audio`` (path), ``id``, and
    what the reward functions ask for (``solution``). Reward functions get completions as plain
    strings. Loss types, logging, checkpoints, PEFT and accumulation are TRL's.

    With ``shared_prefix`` (see `scoring`) a group pays for its prompt once, and answers without
    a gradient cost no forward pass; without, all is computed per answer, with the same result.
    What a frozen audio tower makes of a clip is kept either way.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        reward_funcs: Any,
        args: GRPOConfig,
        processing_class: Qwen2AudioProcessor,
        max_prompt: int | None = None,
        shared_prefix: bool = True,
        row_tokens: int = ROW_TOKENS,
        **arguments: Any,
    ) -> None:
        """Any other argument is passed on to `trl.GRPOTrainer`.

        The reference model of the KL term is ``model`` as it now is: a frozen copy, or, where
        an adapter is trained, the model without it.

        Args:
            max_prompt: the most tokens, audio tokens included, that a prompt may have; a
                longer one is a ``UserError`` that names its question. It is never cut.
            row_tokens: the most tokens of a packed row, see `scoring.pack_answers`.

        Raises:
            UserError: ``shared_prefix`` with an attention that takes no mask of its own, or
                with ZeRO-3 weights that are not gathered for sampling.
        """
        attention = model.config.get_text_config()._attn_implementation
        if shared_prefix and attention not in ("sdpa", "eager"):
            raise UserError(
                f"model: {attention} takes no block mask; load it with "
                "attn_implementation='sdpa', or set shared_prefix to False"
            )
        if shared_prefix and not args.ds3_gather_for_generation:
            raise UserError(
                "ds3_gather_for_generation: must be on, as processes end their answers at "
                "different steps; or set shared_prefix to False"
            )
        self.max_prompt, self.shared_prefix = max_prompt, shared_prefix
        self.row_tokens = row_tokens
        self.loaded = LoadedModel(model, processing_class, model.config._name_or_path)
        self.store = PromptStore(self.loaded)
        reference = None
        if args.beta and arguments.get("peft_config") is None and not is_peft_model(model):
            reference = copy.deepcopy(model).requires_grad_(False)
            accept_answers(reference)
        accept_answers(_base(model))
        super().__init__(
            model,
            reference,
            reward_funcs=reward_funcs,
            args=args,
            processing_class=processing_class,
            **arguments,
        )
        if is_quantised(self.model):
            # TRL has made them bfloat16, in which float16's gradients cannot be scaled back.
            for parameter in self.model.parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.data.float()
        self.eos_token_ids = self.loaded.eos_ids
        tower = _base(self.model).model.audio_tower
        if not any(parameter.requires_grad for parameter in tower.parameters()):
            self.store.states = StateCache(CAPACITY)

    def compute_loss(self, model: nn.Module, inputs: Any, **arguments: Any) -> torch.Tensor:
        """TRL's; a ``UserError`` that names the step where it is not finite."""
        loss = super().compute_loss(model, inputs, **arguments)
        return check_loss(loss, self.state.global_step + 1)

    def release(self) -> PreTrainedModel:
        """The trained model as it was before the trainer took hold of it, adapter still on."""
        model = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        refuse_answers(_base(model))
        return model.eval()

    def number_prompt(self, row: dict[str, Any]) -> int:
        """See `TRLSeam`: the store's number; a prompt over ``max_prompt`` is a ``UserError``."""
        number = self.store.number(row["prompt"], row["audio"])
        length = len(self.store[number].ids)
        if self.max_prompt is not None and length > self.max_prompt:
            raise UserError(
                f"question {row.get('id')}: its prompt has {length} tokens, "
                f"max_prompt is {self.max_prompt}; raise it or leave the question out"
            )
        return number

    def prompt_tokens(self, number: int) -> list[int]:
        """The tokens of the stored prompt, audio tokens included."""
        return self.store[number].ids

    def sample(self, model: nn.Module, numbers: torch.Tensor) -> list[list[int]]:
        """One sampled answer per number, with the trainer's temperature and limits."""
        distinct, group = numbers.unique(return_inverse=True)
        device = self.accelerator.device
        ids, mask = self.store.tokens(distinct.tolist(), device)
        tokens = sample_answers(
            _base(model),
            ids,
            mask,
            self.store.clips(distinct.tolist(), device),
            group.to(device),
            self._sampling_config(),
            self.shared_prefix,
        )
        return [_up_to_end(row, self.loaded.eos_ids) for row in tokens.tolist()]

    def score(
        self,
        model: nn.Module,
        numbers: torch.Tensor,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        answer_width: int,
        entropy: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(N, answer_width) log-probabilities, and entropies where asked for: see `scoring`."""
        distinct, group = numbers.unique(return_inverse=True)
        width = input_ids.shape[1] - answer_width
        answers = Answers(
            prompt_ids=input_ids[:, :width],
            prompt_mask=attention_mask[:, :width],
            ids=input_ids[:, width:],
            mask=attention_mask[:, width:],
            group=group.to(input_ids.device),
            clips=self.store.clips(distinct.tolist(), input_ids.device),
            temperature=self.temperature,
            shared_prefix=self.shared_prefix,
            entropy=entropy,
            entropy_gradient=self.entropy_has_gradient,
            row_tokens=self.row_tokens,
        )
        return model(answers=answers)

    def _sampling_config(self) -> GenerationConfig:
        """Every field set: by the training configuration, or without effect."""
        fields = {**NEUTRAL, **self.sampling_fields}
        # An audio token in an answer would ask for audio features that do not exist.
        suppressed = {self.loaded.model.config.audio_token_id, *fields["suppress_tokens"]}
        fields |= {
            "eos_token_id": self.loaded.eos_ids,
            "pad_token_id": self.loaded.pad_id,
            "suppress_tokens": sorted(suppressed),
        }
        return GenerationConfig(**fields)


def _base(model: nn.Module) -> nn.Module:
    """The Qwen2-Audio within an adapter, or itself."""
    return model.get_base_model() if is_peft_model(model) else model


def _up_to_end(tokens: list[int], ends: list[int]) -> list[int]:
    """The tokens up to and with the first end token."""
    for place, token in enumerate(tokens):
        if token in ends:
            return tokens[: place + 1]
    return tokens
