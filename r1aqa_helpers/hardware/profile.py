"""What a profile is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Profile:
    """One way to run the main job.

    Attributes:
        model: folder of the base checkpoint, or its name on the Hugging Face Hub.
        device, dtype: as ``models.load`` takes them; a dtype of None leaves the choice to it.
        eval_tokens: tokens per batch when answering, prompts and answers with their padding.
        max_new_tokens: the longest answer, in tokens.
        quantise: "nf4" holds the linear layers in 4 bits; None: all in ``dtype``.
        tiny_questions: use ``tiny-avqa`` and ``tiny-mmau`` where no files are given.
        train, test: files of questions, as ``questions.read_questions`` takes them.
        audio_dir: folder of the recordings; None: the folder of each file.
        sft, grpo: overrides of ``SFTSettings`` and ``GRPOSettings`` by field name; a test makes
            the settings of every profile from them.
    """

    name: str
    model: str
    device: str
    dtype: str | None
    eval_tokens: int
    max_new_tokens: int
    quantise: str | None = None
    tiny_questions: bool = False
    train: Path | None = None
    test: Path | None = None
    audio_dir: Path | None = None
    sft: Mapping[str, Any] = field(default_factory=dict)
    grpo: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The profile as JSON has it."""
        values = asdict(self)
        return {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}
