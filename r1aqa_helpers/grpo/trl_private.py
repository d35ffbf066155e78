"""Everything of this project that touches TRL's private parts, written against trl 1.16.0.

TRL carries images through GRPO, and no audio. `TRLSeam` overrides the private methods where a
clip would get lost, and turns them into five public ones that `AudioGRPOTrainer` fills in.
What is relied on is pinned by tests/grpo/test_trl_contract.py: after a change of TRL's version,
that test says what to look at here.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from accelerate.utils import gather_object
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import PreTrainedConfig, PreTrainedModel
from trl import GRPOTrainer
from trl.models import unwrap_model_for_generation
from trl.trainer import grpo_trainer

#: The release that the overrides below were written against.
TRL_VERSION = "1.16.0"

#: Goes with its row when TRL shuffles and splits a batch.
PROMPT_NUMBER = "prompt_number"


class TRLSeam(GRPOTrainer):
    """GRPO in which rows of the data set have a number for what the model is prompted with.

    With ``shared_prefix``, what a subclass computes once per group, rows without a gradient are
    not computed at all.

    The rows' ``prompt`` must be plain strings, so that TRL leaves them alone; completions then
    reach the reward functions as plain strings, too.
    """

    shared_prefix = True

    def __init__(self, model: PreTrainedModel, reference: nn.Module | None, **arguments) -> None:
        """``reference``: the frozen model for the KL term, of which TRL would else load a copy."""
        self._row_numbers: torch.Tensor | None = None
        self._idle: torch.Tensor | None = None
        self._old_logps: torch.Tensor | None = None
        #: What was sampled since the list was last emptied: see `_keep_rollouts`.
        self.rollouts: list[dict[str, Any]] = []
        with _as_image_token(model.config), _reference(reference):
            super().__init__(model=model, **arguments)

    # --- to be filled in ------------------------------------------------------------------

    @abstractmethod
    def number_prompt(self, row: dict[str, Any]) -> int:
        """The number that stands for a data set row's prompt and clip."""

    @abstractmethod
    def prompt_tokens(self, number: int) -> list[int]:
        """The tokens of the prompt with this number."""

    @abstractmethod
    def sample(self, model: nn.Module, numbers: torch.Tensor) -> list[list[int]]:
        """One answer's tokens, up to and with the end token, for each of these prompts."""

    @abstractmethod
    def score(
        self,
        model: nn.Module,
        numbers: torch.Tensor,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        answer_width: int,
        entropy: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(N, answer_width) log-probabilities of the answers, and entropies where asked for."""

    # --- overridden -----------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        numbers = torch.tensor([self.number_prompt(row) for row in inputs])
        with self._rows(numbers):
            output = super()._generate_and_score_completions(inputs)
        if self.model.training:
            self._keep_rollouts(inputs)
        return {**output, PROMPT_NUMBER: numbers.to(output["prompt_ids"].device)}

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict]:
        return [self.prompt_tokens(number) for number in self._row_numbers.tolist()], None, {}

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

        Processes end their answers at different steps: gathering a layer anew at every token,
        one would wait for others that have come to their end.
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

    def _compute_loss(self, model, inputs):
        self._idle = self._rows_without_gradient(inputs)
        self._old_logps = inputs.get("old_per_token_logps")
        try:
            with self._rows(inputs[PROMPT_NUMBER]):
                return super()._compute_loss(model, inputs)
        finally:
            self._idle = self._old_logps = None

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
        if self._idle is not None:
            return self._score_rest(
                model, input_ids, attention_mask, logits_to_keep, compute_entropy
            )
        logps, entropies = [], []
        for start in range(0, len(input_ids), batch_size or len(input_ids)):
            rows = slice(start, start + (batch_size or len(input_ids)))
            with self.accelerator.autocast():
                one, entropy = self.score(
                    model,
                    self._row_numbers[rows],
                    input_ids[rows],
                    attention_mask[rows],
                    logits_to_keep,
                    compute_entropy,
                )
            logps.append(one)
            entropies.append(entropy)
        return torch.cat(logps), torch.cat(entropies) if compute_entropy else None, None

    def _score_rest(
        self,
        model: nn.Module,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        width: int,
        entropy: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """Scores of the rows that have a gradient, and for the others what leaves no trace.

        Their log-probabilities are the old ones, so that every ratio is 1; their entropies the
        mean of the scored ones, so that TRL's log of the mean entropy is that of these.
        """
        rest = ~self._idle
        with self.accelerator.autocast():
            scored, spread = self.score(
                model,
                self._row_numbers[rest.to(self._row_numbers.device)],
                input_ids[rest],
                attention_mask[rest],
                width,
                entropy,
            )
        old = self._old_logps
        logps = scored.new_zeros(len(rest), width) if old is None else old.to(scored)
        logps = logps.index_put((rest,), scored)
        if not entropy:
            return logps, None, None
        tokens = attention_mask[rest][:, -width:].sum().clamp(min=1)
        entropies = (spread.sum() / tokens).expand(len(rest), width)
        return logps, entropies.index_put((rest,), spread), None

    def _send_telemetry(self) -> None:
        """Nothing is sent: training works without a network and tells nobody."""

    def create_model_card(self, *arguments: Any, **named: Any) -> None:
        """None is written: whoever publishes a model describes it."""

    # --- private parts that are read ------------------------------------------------------

    @property
    def entropy_has_gradient(self) -> bool:
        """Whether the loss has an entropy term."""
        return self._entropy_bonus_enabled

    @property
    def sampling_fields(self) -> dict[str, Any]:
        """The generation fields that follow from the training configuration."""
        return dict(self.generation_kwargs)

    @contextmanager
    def _rows(self, numbers: torch.Tensor) -> Iterator[None]:
        """The prompts' numbers of the rows in hand, which TRL's calls have no argument for."""
        self._row_numbers = numbers
        try:
            yield
        finally:
            self._row_numbers = None

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

    TRL deals them out at random over the gradient accumulation steps, which would tear the
    groups apart that share their prompt's computation.
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


@contextmanager
def _as_image_token(config: PreTrainedConfig) -> Iterator[None]:
    """TRL keeps the model from sampling ``image_token_id``, which Qwen2-Audio has not.

    Without it the constructor fails; after it, `TRLSeam.sample` has its own say.
    """
    config.image_token_id = config.audio_token_id
    try:
        yield
    finally:
        del config.image_token_id


@contextmanager
def _reference(model: nn.Module | None) -> Iterator[None]:
    """Have TRL take ``model`` as the reference, where it would load the checkpoint anew.

    The policy may not lie in a folder, or no longer be what lies there.
    """
    with patch.object(grpo_trainer, "create_model_from_path", lambda *args, **kwargs: model):
        yield
