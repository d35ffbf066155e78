"""Apple's GPU has no float64: what runs there must not ask for it."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from r1aqa_helpers.evaluation import local
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.models.loaded import fingerprint
from r1aqa_helpers.training import prompt_cache, run
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.sft import SFTSettings, train_sft


class NoFloat64(TorchDispatchMode):
    """Fails where an operation makes a tensor of that type, as the device would."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, torch.Tensor) and one.dtype == torch.float64:
                raise TypeError(f"{function}: MPS has no float64")
        return made


class OnMps(torch.Tensor):
    """A tensor that has to come to the CPU before it becomes float64."""

    def cpu(self):
        return self.as_subclass(torch.Tensor)

    def double(self):
        raise TypeError("MPS has no float64")


def test_fingerprints_are_made_on_the_cpu():
    weights = torch.arange(12.0).reshape(3, 4)

    class Model:
        def __init__(self, kind):
            self.weights = weights.as_subclass(kind)

        def state_dict(self):
            return {"weight": self.weights}

    assert fingerprint(Model(OnMps)) == fingerprint(Model(torch.Tensor))
    with pytest.raises(TypeError, match="no float64"), NoFloat64():
        torch.from_numpy(np.ones(2)).clone()


@pytest.mark.parametrize("method", ["answering", "sft", "grpo"])
def test_answering_and_training_never_ask_for_it(loaded, questions, tmp_path, monkeypatch, method):
    for module in (run, local):
        monkeypatch.setattr(module, "weights_fingerprint", lambda loaded: "0" * 16)
    encode = prompt_cache.encode

    def on_the_cpu(*arguments):  # the feature extractor works there, whatever the device
        with _disable_current_modes():
            return encode(*arguments)

    monkeypatch.setattr(prompt_cache, "encode", on_the_cpu)
    monkeypatch.setattr(local, "_on_cpu", lambda loaded: False)  # threads have modes of their own
    torch.manual_seed(0)
    shared = {"steps": 1, "lora_rank": 4, "lr": 1e-4}
    with NoFloat64():
        if method == "answering":
            assert len(answer_questions(loaded, questions, max_new_tokens=3)) == len(questions)
        elif method == "sft":
            train_sft(loaded, questions, SFTSettings(batch_size=2, **shared), tmp_path / "run")
        else:
            settings = GRPOSettings(
                prompts_per_step=2, group_size=2, max_completion=4, gradient_checkpointing=True,
                **shared,
            )  # fmt: skip
            train_grpo(loaded, questions, settings, tmp_path / "run")
