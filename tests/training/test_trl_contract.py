"""What `trl_compat` relies on in TRL, pinned to its release.

Where one of these fails after a change of version, read the named method in TRL's new source,
fix the override in r1aqa_helpers/training/grpo/trl_compat.py, then the expectation here.
"""

import inspect
from dataclasses import fields

import pytest
import torch
import trl
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict

from r1aqa_helpers.training.grpo.run import GRPOSettings, audio_grpo_config
from r1aqa_helpers.training.grpo.trl_compat import PROMPT_NUMBER, TRL_VERSION, TRLCompat, _regroup
from r1aqa_helpers.utils.errors import UserError

OVERRIDDEN = {
    "_generate_and_score_completions": ["inputs"],
    "_tokenize_prompts": ["prompts"],
    "_generate_single_turn": [
        "prompt_ids", "images", "multimodal_fields", "num_generations", "has_tool_images",
    ],
    "_prepare_inputs": ["generation_batch"],
    "_compute_loss": ["model", "inputs"],
    "_get_per_token_logps_and_entropies": [
        "model", "input_ids", "attention_mask", "logits_to_keep", "batch_size",
        "compute_entropy", "compute_aux_loss", "pixel_values",
    ],
    "_send_telemetry": [],
    "create_model_card": ["model_name", "dataset_name", "tags"],
}  # fmt: skip


def test_the_release_and_its_methods_are_those_written_for():
    assert trl.__version__ == TRL_VERSION == "1.16.0"
    for name, expected in OVERRIDDEN.items():
        theirs = getattr(GRPOTrainer, name)
        assert list(inspect.signature(theirs).parameters)[1 : 1 + len(expected)] == expected, name
        assert getattr(TRLCompat, name) is not theirs
    own = {n for n in vars(TRLCompat) if hasattr(GRPOTrainer, n) and not n.startswith("__")}
    assert own == OVERRIDDEN.keys(), "every override is listed"


@pytest.mark.parametrize(
    ("method", "text"),
    [
        # Log entries have the order of the rows, before they are shuffled.
        ("_generate_and_score_completions", 'self._logs["completion"].extend('),
        ("_prepare_inputs", "self._buffered_inputs[self._step % self.args.steps_per_generation]"),
        ("__init__", "self.ref_model = create_model_from_path("),
        ("__init__", "self._dist = DistributedBackend(self.accelerator)"),
        ("_generate_and_score_completions", "advantages / (std_rewards + 1e-4)"),
    ],
)
def test_lines_that_no_run_would_miss_are_there(method, text):
    assert text in inspect.getsource(getattr(GRPOTrainer, method))


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
    moved = torch.cat([part["advantages"] for part in parts]).long()
    assert sorted(moved.tolist()) == list(range(9))
    assert torch.equal(numbers[moved], torch.cat([part[PROMPT_NUMBER] for part in parts]))
    assert all(part["num_items_in_batch"] == 7 for part in parts)


#: What R1-AQA's method has, where this release of TRL has another default; and where it has not.
DIFFERENT = {
    "beta": (0.04, 0.0),
    "loss_type": ("grpo", "dapo"),
    "use_bias_correction_kl": (False, True),
    "max_completion_length": (256, 512),
    "gradient_checkpointing": (False, True),
}
SAME = {
    "num_generations": 8, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0,
    "learning_rate": 1e-6, "epsilon": 0.2, "num_iterations": 1, "scale_rewards": "group",
    "importance_sampling_level": "token",
}  # fmt: skip


def test_r1_aqa_s_settings_are_set_whatever_trl_s_defaults_are(tmp_path):
    defaults = {field.name: field.default for field in fields(GRPOConfig)}
    expected = DIFFERENT | {name: (value, value) for name, value in SAME.items()}
    config = audio_grpo_config(tmp_path, use_cpu=True)
    assert {name: (getattr(config, name), defaults[name]) for name in expected} == expected
    chosen = GRPOSettings(
        beta=0.1, group_size=4, temperature=0.9, max_completion=9, lr=1e-3, seed=3
    )
    config = audio_grpo_config(tmp_path, chosen, use_cpu=True, loss_type="dapo")
    assert (config.beta, config.num_generations, config.temperature) == (0.1, 4, 0.9)
    assert (config.max_completion_length, config.learning_rate, config.seed) == (9, 1e-3, 3)
    assert config.loss_type == "dapo"
    with pytest.raises(UserError, match="loss_type"):
        audio_grpo_config(tmp_path, use_cpu=True, loss_type="sapo")
