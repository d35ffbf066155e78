"""Everything of this project that touches TRL's private names, written against trl 1.16.0.

TRL carries images through GRPO, but no audio. `TRLCompat` overrides the private methods in which a
clip would be lost; `AudioGRPOTrainer` numbers the prompts and samples the answers. After a change
of TRL's version, tests/training/test_trl_contract.py says what to check here.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer
from trl.models import prepare_deepspeed, prepare_fsdp, unwrap_model_for_generation
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.utils import disable_dropout_in_model, is_async_callable

from r1aqa_helpers.training.callbacks import check_loss
from r1aqa_helpers.training.logprobs import Answers
from r1aqa_helpers.training.prompt_cache import PromptCache
from r1aqa_helpers.training.rewards import name_of, weighted_sum
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown, shown_value

#: The release that the overrides below were written against.
TRL_VERSION = "1.16.0"

#: The column of a batch that holds each row's prompt; TRL shuffles and splits it with its row.
PROMPT_NUMBER = "prompt_number"


class TRLCompat(GRPOTrainer):
    """GRPO in which each row of the data set has the number of its prompt and clip.

    The rows' ``prompt`` must be plain strings, which TRL leaves alone; completions then reach
    the reward functions as plain strings as well.
    """

    prompts: PromptCache
    """What the numbers stand for."""
    shared_prefix: bool
    """Compute each prompt once per group."""
    number_prompt: Callable[[dict[str, Any]], int]
    """The number in ``prompts`` of a data set row's prompt and clip."""
    sample: Callable[[nn.Module, torch.Tensor], list[list[int]]]
    """One answer's tokens, up to and with the end token, for each of these prompts."""
    halved: frozenset[str]
    """What goes through in halves, batches by `in_halves`: see `out_of_memory`."""
    in_halves: Callable[..., torch.Tensor]

    def __init__(
        self, model: PreTrainedModel, reference: nn.Module | None, args: GRPOConfig, **rest: Any
    ) -> None:
        """``reference``: the frozen model for the KL term; None where TRL needs no model for it."""
        #: Of the current rows, for TRL's calls that have no argument for them.
        self._row_numbers = torch.empty(0, dtype=torch.long)
        #: What was sampled since the list was last emptied; see `_keep_rollouts`.
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

    # --- sampling -------------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._row_numbers = torch.tensor([self.number_prompt(row) for row in inputs])
        output = super()._generate_and_score_completions(inputs)
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
        """Sample under FSDP2 within a forward call, keeping every layer gathered.

        Processes end their answers at different steps: if layers were gathered for every token,
        one process would wait for others that have ended.
        """
        model = self.model_wrapped
        model.set_reshard_after_forward(False)
        try:
            with (
                torch.no_grad(),
                self.accelerator.autocast(),
                disable_gradient_checkpointing(self.model),  # it would drop the cache
            ):
                return model(work=lambda whole: self.sample(whole, self._row_numbers))
        finally:
            model.set_reshard_after_forward(True)
            for module in model.modules():
                if isinstance(module, FSDPModule):
                    module.reshard()

    def _prepare_inputs(self, generation_batch):
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is not before:
            self._buffered_inputs = _regroup(self._buffered_inputs)
            inputs = self._buffered_inputs[self._step % self.args.steps_per_generation]
        return inputs

    # --- the loss -------------------------------------------------------------------------

    def _compute_loss(self, model, inputs) -> torch.Tensor:
        """TRL's, which is `objective.grpo_loss`; a ``UserError`` where it is not finite."""
        count, mask = len(inputs[PROMPT_NUMBER]), inputs["completion_mask"]

        def of_rows(rows: slice) -> torch.Tensor:
            part = {
                name: value[rows] if isinstance(value, torch.Tensor) and value.dim() else value
                for name, value in inputs.items()
            }
            self._row_numbers = part[PROMPT_NUMBER]
            loss = super(TRLCompat, self)._compute_loss(model, part)
            return check_loss(loss, self.state.global_step + 1)

        def share(rows: slice) -> torch.Tensor | float:
            if self.loss_type == "dapo":  # divided by the tokens of a whole step already
                return 1.0
            if self.loss_type == "bnpo":
                return mask[rows].sum() / mask.sum()
            return len(mask[rows]) / count

        return self.in_halves(count, of_rows, share)

    def forget_passes(self, count: int) -> None:
        """Count these passes again: they find their place in the rollout by their number."""
        self._step -= count

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
        """`logprobs.answer_logps` of all rows, ``batch_size`` at a time."""
        size, width = batch_size or len(input_ids), input_ids.shape[1] - logits_to_keep
        if "batch" in self.halved and not torch.is_grad_enabled():
            size = -(-size // 2)
        parts = []
        for ids, mask, numbers in zip(
            input_ids.split(size),
            attention_mask.split(size),
            self._row_numbers.split(size),
            strict=True,
        ):
            distinct, group = numbers.unique(return_inverse=True)
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
        return logps, torch.cat([e for _, e in parts]) if compute_entropy else None, None

    # --- what TRL would do besides --------------------------------------------------------

    def _send_telemetry(self) -> None:
        """Send nothing."""

    def create_model_card(self, *arguments: Any, **named: Any) -> None:
        """Write none: `training.run` writes the model's card."""

    def _keep_rollouts(self, inputs: list[dict[str, Any]]) -> None:
        """Add an entry per question of all processes, in the main one; see `train_grpo`."""
        ids = gather_object([row.get("id") for row in inputs])
        if not self.accelerator.is_main_process:
            return
        logs, size = self._logs, self.num_generations
        completions, advantages = list(logs["completion"]), list(logs["advantages"])
        by_function = {
            name: [None if math.isnan(one) else one for one in logs["rewards"][name]]
            for name in self.reward_func_names
        }
        weights = self.reward_weights.tolist()
        totals = [weighted_sum(weights, each) for each in zip(*by_function.values(), strict=True)]
        for start in range(0, len(ids), size):
            group = slice(start, start + size)
            self.rollouts.append(
                {
                    "step": self.state.global_step + 1,
                    "id": ids[start],
                    "completions": completions[group],
                    "rewards": totals[group],
                    "rewards_by_function": {n: each[group] for n, each in by_function.items()},
                    "advantages": advantages[group],
                }
            )


def checked(reward: Callable[..., Any]) -> Callable[..., Any]:
    """``reward``, with a ``UserError`` where it gives anything but finite numbers and None.

    TRL takes NaN for None, and goes on with infinities. The error names function, step, question.
    """
    if isinstance(reward, nn.Module):
        return reward
    name = name_of(reward)

    def check(values, columns) -> list:
        values = list(values)
        for place, value in enumerate(values):
            try:
                fine = value is None or math.isfinite(value)
            except (TypeError, ValueError):
                fine = False
            if not fine:
                step, ids = columns["trainer_state"].global_step + 1, columns.get("id")
                about = f", question {shown_value(ids[place])}" if ids else ""
                raise UserError(
                    f"reward {shown(name)}: gave {shown_value(value)} at step {step}{about}; give"
                    " a finite number, or None to abstain"
                )
        return values

    async def awaited(**columns):
        return check(await reward(**columns), columns)

    def called(**columns):
        return check(reward(**columns), columns)

    made = awaited if is_async_callable(reward) else called
    made.__name__ = name
    return made


def _regroup(batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows in as many batches, with the rows of a prompt next to one another.

    TRL distributes them over the gradient accumulation steps at random, which would separate
    rows that share their prompt's computation.
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
