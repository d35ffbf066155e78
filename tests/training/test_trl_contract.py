"""What `trl_compat` relies on in TRL, pinned to its release.

Where one of these fails after a change of version, read the named method in TRL's new source,
fix the override in r1aqa_helpers/training/grpo/trl_compat.py, then the expectation here.
"""

from dataclasses import fields
from pathlib import Path

import pytest
import torch
import trl
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict

from r1aqa_helpers.training.grpo.run import GRPOSettings, audio_grpo_config
from r1aqa_helpers.training.grpo.trl_compat import PROMPT_NUMBER, TRL_VERSION, TRLCompat, _regroup
from r1aqa_helpers.utils.errors import UserError

OVERRIDDEN = {
    "_generate_and_score_completions", "_tokenize_prompts", "_generate_single_turn",
    "_prepare_inputs", "_compute_loss", "_get_per_token_logps_and_entropies",
    "_send_telemetry", "create_model_card",
}  # fmt: skip


def test_the_release_and_its_methods_are_those_written_for():
    """Methods of other names or another release are to be read again before they are overridden."""
    assert trl.__version__ == TRL_VERSION == "1.16.0"
    own = {n for n in vars(TRLCompat) if hasattr(GRPOTrainer, n) and not n.startswith("__")}
    assert own == OVERRIDDEN


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


def test_the_table_of_differences_names_this_package_s_values():
    path = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
    rows = dict(line[2:].split(" | ", 1) for line in path.read_text("utf-8").splitlines()[8:])
    settings = GRPOSettings()
    assert f"| {settings.steps} steps, the rate reaches 0" in rows["length and decay"]
    assert f"learning rate from {settings.lr:.0e}".replace("e-0", "e-") in rows["length and decay"]
    assert audio_grpo_config(path.parent, use_cpu=True).lr_scheduler_type == "linear"
    assert settings.max_prompt is None and "never cut" in rows["length of prompts"]
