"""Everything of this project that touches TRL's private names, written against trl 1.16.0.

TRL carries images through GRPO, and no audio. `TRLCompat` overrides the private methods where a
clip would get lost; how prompts are numbered and answers sampled, `AudioGRPOTrainer` says. After
a change of TRL's version tests/grpo/test_trl_contract.py says what to look at here.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer
from trl.models import prepare_deepspeed, prepare_fsdp, unwrap_model_for_generation
from trl.trainer.utils import disable_dropout_in_model

from r1aqa_helpers.training.callbacks import check_loss
from r1aqa_helpers.training.logprobs import Answers
from r1aqa_helpers.training.prompt_cache import PromptCache

#: The release that the overrides below were written against.
TRL_VERSION = "1.16.0"

#: The column of a batch that holds each row's prompt; TRL shuffles and splits it with its row.
PROMPT_NUMBER = "prompt_number"


class TRLCompat(GRPOTrainer, ABC):
    """GRPO in which rows of the data set have a number for what the model is prompted with.

    The rows' ``prompt`` must be plain strings, so that TRL leaves them alone; completions then
    reach the reward functions as plain strings, too.
    """

    prompts: PromptCache
    """Holds what the numbers stand for."""
    shared_prefix: bool
    """Compute each prompt once per group, and rows without a gradient not at all."""

    def __init__(
        self, model: PreTrainedModel, reference: nn.Module | None, args: GRPOConfig, **rest: Any
    ) -> None:
        """``reference``: the frozen model for the KL term; None where TRL needs no model for it."""
        #: Of the rows in hand, for TRL's calls that have no argument for them.
        self._row_numbers: torch.Tensor | None = None
        self._idle: torch.Tensor | None = None
        self._old_logps: torch.Tensor | None = None
        #: What was sampled since the list was last emptied: see `_keep_rollouts`.
        self.rollouts: list[dict[str, Any]] = []
        beta = args.beta
        if reference is not None:
            args.beta = 0.0  # or TRL would load the checkpoint's folder again as the reference
        # TRL keeps image tokens from being sampled, and Qwen2-Audio has none.
        model.config.image_token_id = model.config.audio_token_id
        try:
            super().__init__(model=model, args=args, **rest)
        finally:
            args.beta = beta
            del model.config.image_token_id
        if reference is not None:
            self.beta, self.ref_model = beta, self._prepared(reference)

    def _prepared(self, reference: nn.Module) -> nn.Module:
        """The reference model on its device, or in shards, as TRL prepares its own."""
        if self.args.disable_dropout:
            disable_dropout_in_model(reference)
        if self.is_deepspeed_enabled:
            return prepare_deepspeed(reference, self.accelerator)
        if self.is_fsdp_enabled:
            return prepare_fsdp(reference, self.accelerator)
        return self.accelerator.prepare_model(reference, evaluation_mode=True)

    @abstractmethod
    def number_prompt(self, row: dict[str, Any]) -> int:
        """The number in ``prompts`` of a data set row's prompt and clip."""

    @abstractmethod
    def sample(self, model: nn.Module, numbers: torch.Tensor) -> list[list[int]]:
        """One answer's tokens, up to and with the end token, for each of these prompts."""

    # --- sampling -------------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._row_numbers = torch.tensor([self.number_prompt(row) for row in inputs])
        output = super()._generate_and_score_completions(inputs)
        if self.model.training:
            self._keep_rollouts(inputs)
        return {**output, PROMPT_NUMBER: self._row_numbers.to(output["prompt_ids"].device)}

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict]:
        return [self.prompts[number].ids for number in self._row_numbers.tolist()], None, {}

    def _generate_single_turn(
        self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False
    ) -> tuple[list[list[int]], None]:
        if self._dist.is_fsdp:
            return self._sample_from_shards(), None
        with (
            unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                gather_deepspeed3_params=self.args.ds3_gather_for_generation,
                gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
            ) as model,
            torch.no_grad(),
            self._dist.summon_full_params(self.model_wrapped, recurse=False),
            self.accelerator.autocast(),
        ):
            return self.sample(model, self._row_numbers), None

    def _sample_from_shards(self) -> list[list[int]]:
        """With FSDP2, within a forward call, in which every layer's weights stay once gathered.

        Processes end their answers at different steps: if a layer were gathered again for every
        token, one would wait for others that have ended.
        """
        model = self.model_wrapped
        model.set_reshard_after_forward(False)
        try:
            with torch.no_grad(), self.accelerator.autocast():
                return model(work=lambda whole: self.sample(whole, self._row_numbers))
        finally:
            model.set_reshard_after_forward(True)
            for module in model.modules():
                if isinstance(module, FSDPModule):
                    module.reshard()

    def _prepare_inputs(self, generation_batch):
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self.model.training and self._buffered_inputs is not before:
            self._buffered_inputs = _regroup(self._buffered_inputs)
            inputs = self._buffered_inputs[self._step % self.args.steps_per_generation]
        return inputs

    # --- the loss -------------------------------------------------------------------------

    def _compute_loss(self, model, inputs) -> torch.Tensor:
        """TRL's, which is `objective.grpo_loss`; a ``UserError`` where it is not finite."""
        self._row_numbers = inputs[PROMPT_NUMBER]
        self._idle = self._rows_without_gradient(inputs)
        self._old_logps = inputs.get("old_per_token_logps")
        try:
            loss = super()._compute_loss(model, inputs)
        finally:
            self._idle = self._old_logps = None
        return check_loss(loss, self.state.global_step + 1)

    def _rows_without_gradient(self, inputs: dict[str, Any]) -> torch.Tensor | None:
        """(N,) true where a row's advantage of 0 leaves nothing to learn from it; None: nowhere.

        With a KL term or an entropy bonus every row has a gradient, and a quantile of entropies
        is taken over all rows. One row always stays, so that a backward pass has a graph, which
        also keeps several processes in step.
        """
        uses_all = self.beta or self._entropy_bonus_enabled or self.top_entropy_quantile < 1
        if not self.shared_prefix or not self.model.training or uses_all:
            return None
        idle = inputs["advantages"] == 0
        if idle.all():
            idle[inputs["completion_mask"].sum(dim=1).argmin()] = False
        share = self.accelerator.gather(idle.float().mean()).mean().item()
        self._metrics["train"]["left_out"].append(share)
        return idle if idle.any() else None

    def _get_per_token_logps_and_entropies(
        self,
        model,
        input_ids,
        attention_mask,
        logits_to_keep,
        batch_size=None,
        compute_entropy=False,
        compute_aux_loss=False,
        **images,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """Scores of all rows but the idle ones, ``batch_size`` at a time.

        An idle row gets what leaves no trace: the old log-probabilities, so that every ratio is
        1; and the mean entropy of the others, so that TRL's log of the mean is that of these.
        """
        count, width, idle = len(input_ids), input_ids.shape[1] - logits_to_keep, self._idle
        rows = torch.arange(count) if idle is None else (~idle).nonzero().squeeze(1).cpu()
        parts = []
        for some in rows.split(batch_size or count):
            ids, mask = input_ids[some], attention_mask[some]
            distinct, group = self._row_numbers[some].unique(return_inverse=True)
            answers = Answers(
                prompt_ids=ids[:, :width],
                prompt_mask=mask[:, :width],
                ids=ids[:, width:],
                mask=mask[:, width:],
                group=group.to(ids.device),
                clips=self.prompts.clips(distinct.tolist(), ids.device),
                temperature=self.temperature,
                shared_prefix=self.shared_prefix,
                entropy=compute_entropy,
                entropy_gradient=self._entropy_bonus_enabled,
            )
            with self.accelerator.autocast():
                parts.append(model(answers=answers))
        logps = torch.cat([logps for logps, _ in parts])
        entropies = torch.cat([entropy for _, entropy in parts]) if compute_entropy else None
        if idle is None:
            return logps, entropies, None
        places, old = (rows.to(logps.device),), self._old_logps
        before = logps.new_zeros(count, logits_to_keep) if old is None else old.to(logps)
        if compute_entropy:
            tokens = attention_mask[rows][:, width:].sum().clamp(min=1)
            mean = (entropies.sum() / tokens).expand(count, logits_to_keep)
            entropies = mean.index_put(places, entropies)
        return before.index_put(places, logps), entropies, None

    # --- what TRL would do besides --------------------------------------------------------

    def _send_telemetry(self) -> None:
        """Nothing is sent: training works without a network and tells nobody."""

    def create_model_card(self, *arguments: Any, **named: Any) -> None:
        """None is written: `training.outputs` writes the model's card."""

    def _keep_rollouts(self, inputs: list[dict[str, Any]]) -> None:
        """One entry per question of all processes, in the main one; see `train_grpo`."""
        ids = gather_object([row.get("id") for row in inputs])
        if not self.accelerator.is_main_process:
            return
        logs, size = self._logs, self.num_generations
        completions, advantages = list(logs["completion"]), list(logs["advantages"])
        by_function = {name: list(logs["rewards"][name]) for name in self.reward_func_names}
        weights = self.reward_weights.tolist()
        for start in range(0, len(ids), size):
            group = slice(start, start + size)
            rewards = {name: values[group] for name, values in by_function.items()}
            self.rollouts.append(
                {
                    "step": self.state.global_step + 1,
                    "id": ids[start],
                    "completions": completions[group],
                    "rewards": [
                        sum(w * r for w, r in zip(weights, each, strict=True))
                        for each in zip(*rewards.values(), strict=True)
                    ],
                    "rewards_by_function": rewards,
                    "advantages": advantages[group],
                }
            )


def _regroup(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows, cut into as many batches, with the rows of a prompt next to one another.

    TRL distributes them at random over the gradient accumulation steps, which would separate the
    rows of a group, which share their prompt's computation.
    """
    if len(batches) == 1:
        return batches
    rows = {
        key: torch.cat([batch[key] for batch in batches])
        for key, value in batches[0].items()
        if isinstance(value, torch.Tensor) and value.dim() > 0
    }
    order = torch.argsort(rows[PROMPT_NUMBER], stable=True).chunk(len(batches))
    return [
        {**batch, **{key: value[part] for key, value in rows.items()}}
        for batch, part in zip(batches, order, strict=True)
    ]
