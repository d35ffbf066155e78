"""Rewards for GRPO, as TRL reward functions: from completions to one number each.

`published` has the two that R1-AQA adds up; `shaping` what others add to them; `compose` weights
and joins rewards into one.
"""

from r1aqa_helpers.training.rewards.compose import named, only_if, weighted
from r1aqa_helpers.training.rewards.published import (
    RewardFunction,
    accuracy_reward,
    format_reward,
    rewards_for,
)
from r1aqa_helpers.training.rewards.shaping import (
    consistency_reward,
    length_penalty,
    match_reward,
    partial_format_reward,
    thinking_reward,
)
