"""What `trl_private` relies on in TRL, pinned to its release.

Where one of these fails after a change of version, read the named method in TRL's new source,
mend the override in r1aqa_helpers/grpo/trl_private.py, then mend the expectation here.
"""

import inspect
from dataclasses import fields

import pytest
import torch
import trl
from trl import GRPOConfig, GRPOTrainer
from trl.distributed import DistributedBackend
from trl.models import unwrap_model_for_generation
from trl.trainer import grpo_trainer
from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict

from r1aqa_helpers.grpo.trl_private import PROMPT_NUMBER, TRL_VERSION, TRLSeam, _regroup


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_the_release_is_the_one_written_for():
    assert trl.__version__ == TRL_VERSION == "1.16.0"


OVERRIDDEN = {
    "_generate_and_score_completions": ["self", "inputs"],
    "_tokenize_prompts": ["self", "prompts"],
    "_generate_single_turn": [
        "self", "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images",
    ],
    "_prepare_inputs": ["self", "generation_batch"],
    "_compute_loss": ["self", "model", "inputs"],
    "_get_per_token_logps_and_entropies": [
        "self", "model", "input_ids", "attention_mask", "logits_to_keep", "batch_size",
        "compute_entropy", "compute_aux_loss", "pixel_values", "image_grid_thw", "num_images",
        "pixel_attention_mask", "spatial_shapes", "num_tiles", "image_sizes", "token_type_ids",
        "mm_token_type_ids", "image_position_ids",
    ],
    "_send_telemetry": ["self"],
    "create_model_card": ["self", "model_name", "dataset_name", "tags"],
}  # fmt: skip


@pytest.mark.parametrize("method", OVERRIDDEN)
def test_overridden_methods_have_the_signatures_they_had(method):
    theirs = getattr(GRPOTrainer, method)
    assert parameters(theirs) == OVERRIDDEN[method]
    assert getattr(TRLSeam, method) is not theirs


def test_nothing_private_is_overridden_unlisted():
    private = {
        name
        for name in vars(TRLSeam)
        if hasattr(GRPOTrainer, name) and name not in ("__init__", "__module__", "__doc__")
        and not name.startswith("__") and not name.startswith("_abc")
    }  # fmt: skip
    assert private == OVERRIDDEN.keys()


def source(method):
    return inspect.getsource(getattr(GRPOTrainer, method))


@pytest.mark.parametrize(
    ("method", "text"),
    [
        # who calls whom, with what
        ("_generate", "prompt_ids, images, multimodal_fields = self._tokenize_prompts(prompts)"),
        ("_generate", "completion_ids, logprobs = self._generate_single_turn("),
        ("_generate_and_score_completions", ") = self._generate(prompts)"),
        ("_compute_loss", "per_token_logps, entropies, aux_loss = self._get_per_token_logps"),
        # the order of log entries is that of the rows, before they are shuffled
        ("_generate_and_score_completions", 'self._logs["completion"].extend('),
        ("_generate_and_score_completions", 'self._logs["advantages"].extend('),
        ("_generate_and_score_completions", 'self._logs["rewards"][name].extend('),
        # where the batch is kept
        ("_prepare_inputs", "self._buffered_inputs = ["),
        ("_prepare_inputs", "self._buffered_inputs[self._step % self.args.steps_per_generation]"),
        # the two places of the constructor that are worked around
        ("__init__", '["suppress_tokens"] = [model.config.image_token_id]'),
        ("__init__", "self.ref_model = create_model_from_path("),
        ("__init__", "self.generation_kwargs = generation_kwargs"),
        ("__init__", "self._entropy_bonus_enabled = "),
        ("__init__", "self.top_entropy_quantile = args.top_entropy_quantile"),
        # a loss without the old policy's values takes the new ones'; rows of advantage 0 rest on it
        ("_compute_loss", 'old_per_token_logps = inputs.get("old_per_token_logps")'),
        ("_compute_loss", 'self._metrics[mode]["entropy"].append('),
        ("__init__", "self._dist = DistributedBackend(self.accelerator)"),
        ("__init__", "self.eos_token_ids = eos_token_ids"),
        # standard deviation: unbiased, plus 1e-4
        ("_generate_and_score_completions", "advantages / (std_rewards + 1e-4)"),
    ],
)
def test_the_lines_that_the_overrides_rest_on_are_there(method, text):
    assert text in " ".join(source(method).split()) or text in source(method)


def test_module_names_that_are_used_or_replaced():
    assert callable(grpo_trainer.create_model_from_path)
    asked = {"accelerator", "gather_deepspeed3_params", "gradient_checkpointing_kwargs"}
    assert asked <= set(parameters(unwrap_model_for_generation))


def test_deviation_of_rewards_is_unbiased():
    values = torch.tensor([[2.0, 1.0, 0.0, 1.0]])
    torch.testing.assert_close(grpo_trainer.nanstd(values, dim=1), values.std(dim=1))


def test_a_row_s_number_goes_along_when_the_batch_is_shuffled_and_split():
    batch = {
        "prompt_ids": torch.arange(8)[:, None],
        "num_items_in_batch": torch.tensor(5),
        PROMPT_NUMBER: torch.arange(8),
    }
    torch.manual_seed(0)
    for part in split_tensor_dict(shuffle_sequence_dict(batch), 4):
        assert part["prompt_ids"][:, 0].tolist() == part[PROMPT_NUMBER].tolist()
        assert len(part[PROMPT_NUMBER]) == 2 and part["num_items_in_batch"] == 5


def test_regrouping_keeps_every_row_and_puts_groups_together():
    numbers = torch.tensor([3, 1, 3, 1, 2, 2, 3, 1, 2])
    batch = {
        PROMPT_NUMBER: numbers,
        "advantages": torch.arange(9.0),
        "num_items_in_batch": torch.tensor(7),
    }
    parts = _regroup(split_tensor_dict(batch, 3))
    assert [part[PROMPT_NUMBER].tolist() for part in parts] == [[1] * 3, [2] * 3, [3] * 3]
    rows = torch.cat([part["advantages"] for part in parts]).long()
    assert sorted(rows.tolist()) == list(range(9))
    assert torch.equal(numbers[rows], torch.cat([part[PROMPT_NUMBER] for part in parts]))
    assert all(part["num_items_in_batch"] == 7 for part in parts)


#: TRL's defaults in this release; the marked ones are not R1-AQA's, and `audio_grpo_config`
#: sets them all.
DEFAULTS = {
    "beta": 0.0,  # differs: 0.04
    "loss_type": "dapo",  # differs: grpo
    "use_bias_correction_kl": True,  # differs: False
    "max_completion_length": 512,  # differs: 256
    "num_generations": 8,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "learning_rate": 1e-6,
    "epsilon": 0.2,
    "num_iterations": 1,
    "scale_rewards": "group",
    "importance_sampling_level": "token",
    "mask_truncated_completions": False,
    "reward_weights": None,
    "gradient_checkpointing": True,  # differs: False
}


def test_defaults_of_the_configuration():
    found = {field.name: field.default for field in fields(GRPOConfig)}
    assert {name: found[name] for name in DEFAULTS} == DEFAULTS


def test_how_the_trainer_knows_of_shards():
    """`TRLSeam._generate_single_turn` asks ``self._dist`` whether FSDP shares out the weights."""
    assert isinstance(inspect.getattr_static(DistributedBackend, "is_fsdp"), property)
    assert "self._dist = DistributedBackend(" in inspect.getsource(GRPOTrainer.__init__)
