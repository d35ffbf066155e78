"""The models of a notebook: as many as it likes on the CPU, and on a GPU one at a time."""

import gc
from pathlib import Path
from typing import Any, NoReturn

import torch
from peft import PeftModel

from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, load_for
from r1aqa_helpers.models.adapters import attach_adapter
from r1aqa_helpers.utils.errors import UserError


class Models:
    """Loads models for a profile.

    Without a GPU each is a new object. A GPU holds one model: of two that differ by their
    adapters, the base stays where it is; any other is freed before the next is loaded. A model
    that has been replaced says so when it is used.
    """

    def __init__(self, profile: Profile) -> None:
        """``profile`` decides where models are loaded, and how."""
        self.profile = profile
        #: Whether the next model replaces the one before.
        self.one_at_a_time = profile.device != "cpu" or bool(profile.grpo.get("lora_rank"))
        self._held: LoadedModel | None = None
        self._base = ""
        self._adapter: Path | None = None
        self._adapted: PeftModel | None = None

    def get(self, base: str | Path, adapter: Path | None = None) -> LoadedModel:
        """The model of that name or folder; on a GPU with the adapter in ``adapter`` beside it.

        Raises:
            UserError: as `models.load_for` and `attach_adapter`.
        """
        base = str(base)
        if not self.one_at_a_time:
            return load_for(self.profile, base)
        if self._held is not None and (self._base, self._adapter) == (base, adapter):
            return self._held
        if self._held is None or self._base != base:
            self.free()
            loaded = load_for(self.profile, base)
        else:
            old = self._held
            model = old.model if self._adapted is None else self._adapted.unload()
            loaded = LoadedModel(model, old.processor, base, old.shipped)
            old.model, self._adapted = _Replaced(old.name), None
        if adapter is not None:
            self._adapted = attach_adapter(loaded.model, adapter)
            loaded.model.eval()
            loaded.name = str(adapter)
        self._held, self._base, self._adapter = loaded, base, adapter
        return loaded

    def free(self) -> None:
        """Give the memory of the one model back."""
        if self._held is not None:
            self._held.model = _Replaced(self._held.name)
        self._held = self._adapted = None
        gc.collect()  # a trainer's reference cycles may still hold it
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class _Replaced:
    """Stands where a model was that had to make room."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> NoReturn:
        raise UserError(
            f"model {self._name}: made room for another, as a GPU holds one at a time; "
            "call lab.model again"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.__getattr__("call")
