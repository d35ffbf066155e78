"""transformers' `Trainer`, as runs here use it."""

from pathlib import Path
from typing import Any

from transformers import PrinterCallback, Qwen2AudioForConditionalGeneration, Trainer

from .journal import Journal


class ExactResume:
    """A mixin for trainers: weights come back from a checkpoint as they were saved.

    transformers 5 saves a Qwen2-Audio under the names of release 4, which ``from_pretrained``
    understands. `Trainer`, going on from a checkpoint, does not, and warns about the missing
    names only: the run would go on with the weights that it began with.
    """

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        model = self.model if model is None else model
        sharded = self.is_deepspeed_enabled or self.is_fsdp_enabled
        if sharded or not isinstance(model, Qwen2AudioForConditionalGeneration):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        saved = type(model).from_pretrained(
            resume_from_checkpoint, dtype=model.dtype, local_files_only=True, use_safetensors=True
        )
        model.load_state_dict(saved.state_dict())


def train_with(trainer: Trainer, journal: Journal, checkpoint: Path | None) -> None:
    """Train to the end, from the checkpoint if there is one, with the journal as only voice."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(journal)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
