"""What a profile has to do: which model in which precision, how much at once, how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import Qwen2AudioConfig

from r1aqa_helpers.files import read_json
from r1aqa_helpers.models import costs
from r1aqa_helpers.profiles import Profile

#: A question of AVQA, in tokens: 10 s of recording, chat and choices, `<answer>…</answer>`.
AUDIO, TEXT, ANSWER = 250, 80, 9
#: Questions of MMAU test-mini.
QUESTIONS = 1000


@dataclass(frozen=True)
class Lengths:
    """Tokens of a question: its recording, the rest of its prompt, and the answer to it."""

    audio: int = AUDIO
    text: int = TEXT
    answer: int = ANSWER

    @property
    def prompt(self) -> int:
        """Tokens of the prompt."""
        return self.audio + self.text


@dataclass(frozen=True)
class Work:
    """A profile's work, with all that the arithmetic needs.

    Attributes:
        width: bytes of a number in the language model; ``tower_width``: in the audio tower.
        sft, grpo: the profile's settings.
        gpus: processes that share a step's questions, each on a GPU of its own.
    """

    profile: Profile
    config: Qwen2AudioConfig
    questions: int
    lengths: Lengths
    gpus: int = 1

    @property
    def dtype(self) -> str:
        """That the language model computes in; what a profile leaves open is float32 here."""
        return self.profile.dtype or "float32"

    @property
    def width(self) -> int:
        """See the class."""
        return 4 if self.dtype == "float32" else 2

    @property
    def tower_width(self) -> int:
        """See the class: beside a language model in float16 the tower is in float32."""
        return 2 if self.dtype == "bfloat16" else 4

    @property
    def weights(self) -> int:
        """Bytes of the weights as they lie in memory."""
        if self.profile.quantise == "nf4":
            return costs.weight_bytes(self.config, "nf4")
        tower = costs.parameters(self.config)["tower"]
        rest = costs.parameters(self.config)["total"] - tower
        return self.width * rest + self.tower_width * tower

    def longest_clip(self) -> int:
        """Audio tokens of a recording that fills the model's window."""
        return costs.window_frames(self.config) // 4

    def trained(self, settings: Mapping[str, Any]) -> int:
        """Parameters that a training of these settings changes."""
        rank = settings.get("lora_rank", 0)
        if rank:
            return costs.lora_parameters(self.config, rank)
        parts = costs.parameters(self.config)
        # The table of positions stays as it is shipped.
        audio = self.config.audio_config
        still = audio.max_source_positions * audio.d_model
        return parts["total"] - (parts["tower"] if frozen(settings) else still)


def frozen(settings: Mapping[str, Any]) -> bool:
    """Whether the tower stands still: as set, or else where LoRA is trained."""
    chosen = settings.get("freeze_tower")
    return bool(settings.get("lora_rank", 0)) if chosen is None else chosen


def config_of(profile: Profile) -> Qwen2AudioConfig:
    """The configuration of the profile's model: its folder's, or else Qwen2-Audio-7B's sizes.

    What is no Qwen2-Audio counts as one of 7B; what is wrong with it, loading says.
    """
    folder = Path(profile.model)
    try:
        if read_json(folder / "config.json").get("model_type") == "qwen2_audio":
            return Qwen2AudioConfig.from_pretrained(folder, local_files_only=True)
    except Exception:  # transformers checks fields with errors of many kinds
        pass
    return costs.config_7b()
