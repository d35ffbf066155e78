"""What test_quantised.py has done in an environment that has bitsandbytes: prints one JSON line.

Arguments: the folder of a model, a file of questions, a folder to write to.
"""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.hardware import flops
from r1aqa_helpers.models import (
    Clips,
    LoadedModel,
    greedy_config,
    hearing_check,
    load,
    save,
    weights_fingerprint,
)
from r1aqa_helpers.models.precision import is_quantised
from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
from r1aqa_helpers.training.grpo.trainer import sample_answers
from r1aqa_helpers.training.logprobs import Answers, answer_logps
from r1aqa_helpers.training.prompt_cache import PromptCache
from r1aqa_helpers.training.sft import SFTSettings, train_sft
from r1aqa_helpers.utils.errors import UserError

CPU = torch.device("cpu")


def prompts_of(
    loaded: LoadedModel, asked: list[AudioQuestion]
) -> tuple[torch.Tensor, torch.Tensor, Clips]:
    """Tokens, mask and clips of some questions."""
    cache = PromptCache(loaded)
    numbers = [cache.number(question.question, question.audio) for question in asked]
    return *cache.tokens(numbers, CPU), cache.clips(numbers, CPU)


def logps(loaded: LoadedModel, questions: list[AudioQuestion], shared: bool) -> torch.Tensor:
    """Of the choices of two questions, forced as answers."""
    asked, tokenizer = questions[:2], loaded.processor.tokenizer
    choices = [choice for question in asked for choice in question.choices]
    rows = [tokenizer(choice).input_ids + loaded.eos_ids[:1] for choice in choices]
    width = max(map(len, rows))
    ids = torch.tensor([row + [loaded.pad_id] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    group = torch.tensor([n for n, question in enumerate(asked) for _ in question.choices])
    prompts, prompt_mask, clips = prompts_of(loaded, asked)
    answers = Answers(
        prompts[group], prompt_mask[group], ids, mask, group, clips, shared_prefix=shared
    )
    with torch.no_grad():
        return answer_logps(loaded.model, answers)[0]


def rollout(loaded: LoadedModel, questions: list[AudioQuestion], shared: bool) -> list[list[int]]:
    """Greedy answers of two rows to each of two prompts."""
    group, config = torch.tensor([0, 0, 1, 1]), greedy_config(loaded, 8)
    prompts = prompts_of(loaded, questions[:2])
    return sample_answers(loaded.model, *prompts, group, config, shared).tolist()


def refusal(work: Any) -> str:
    """What a ``UserError`` says; empty where there is none."""
    try:
        work()
    except UserError as error:
        return str(error)
    return ""


def precision(model: Path, questions: list[AudioQuestion]) -> dict[str, Any]:
    """How far 4 bits are from 32, and how many weights they hold."""
    plain, nf4 = load(model, device="cpu"), load(model, device="cpu", quantise="nf4")
    half = load(model, device="cpu", dtype="float16", quantise="nf4")
    before = weights_fingerprint(nf4)
    found = {name: logps(x, questions, True) for name, x in (("plain", plain), ("nf4", nf4))}
    layers = {n: m for n, m in nf4.model.named_modules() if type(m).__name__ == "Linear4bit"}
    states = [layer.weight.quant_state for layer in layers.values()]
    packed = [layer.weight for layer in layers.values()]
    stored = sum(weight.nbytes for weight in packed)
    stored += sum(state.absmax.nbytes + state.state2.absmax.nbytes for state in states)
    config = nf4.model.config
    encoder = [m.compute_dtype for n, m in half.model.named_modules()
             if "audio_tower" in n and n in layers]  # fmt: skip
    return {
        "heard": hearing_check(nf4, questions).change,
        "mean difference": (found["nf4"] - found["plain"]).abs().mean().item(),
        "largest difference": (found["nf4"] - found["plain"]).abs().max().item(),
        "half difference": (logps(half, questions, True) - found["nf4"]).abs().max().item(),
        "packing": (found["nf4"] - logps(nf4, questions, False)).abs().max().item(),
        "rollouts alike": rollout(nf4, questions, True) == rollout(nf4, questions, False),
        "weights": sum(state.shape.numel() for state in states),
        "weights by costs": flops.linear_weights(config),
        "bytes": stored,
        "bytes by costs": flops.linear_weights(config) * flops.BITS["nf4"] / 8,
        "blocks": sorted({(s.quant_type, s.blocksize, s.state2.blocksize) for s in states}),
        "head in 4 bits": "lm_head" in layers,
        "half encoder computes in float32": set(encoder) == {torch.float32},
        "half language computes in float16": half.dtype == torch.float16,
        "fingerprint stands": weights_fingerprint(nf4) == before,
    }  # fmt: skip


def training(
    kind: str, model: Path, questions: list[AudioQuestion], out: Path, **fields: Any
) -> dict[str, Any]:
    """One step with LoRA: what changed, and what loading its folder gives."""
    loaded = load(model, device="cpu", quantise="nf4")
    before = {name: p.detach().clone() for name, p in loaded.model.named_parameters()}
    fields |= {"steps": 1, "lora_rank": 4, "lr": 1e-2}
    if kind == "grpo":
        settings = GRPOSettings(
            prompts_per_step=2, prompts_per_forward=2, group_size=4, max_completion=8,
            temperature=2.0, **fields,
        )  # fmt: skip

        def reward(completions: list[str], **columns: Any) -> list[float]:
            return [float(len(completion) % 3) for completion in completions]

        folder = train_grpo(loaded, questions, settings, out, [reward])
    else:
        settings = SFTSettings(batch_size=2, rows_per_forward=2, **fields)
        folder = train_sft(loaded, questions, settings, out)
    after = dict(loaded.model.named_parameters())
    base = {n.replace(".base_layer.", "."): p for n, p in after.items() if ".lora_" not in n}
    added = {n: p for n, p in after.items() if ".lora_B" in n}
    again = load(folder, device="cpu", quantise="nf4")
    return {
        "same base": base.keys() == before.keys()
        and all(torch.equal(base[name], before[name]) for name in before),
        "moved": sum(bool(p.abs().max() > 0) for p in added.values()),
        "added": len(added),
        "encoder": sum("audio_tower" in name for name in added),
        "dtypes": sorted({str(p.dtype) for p in added.values()}),
        "files": sorted(path.name for path in folder.iterdir() if "model" in path.name),
        "in 4 bits": is_quantised(again.model),
        "equal": torch.equal(
            logps(again, questions, True),
            logps(LoadedModel(loaded.model, loaded.processor, "trained"), questions, True),
        ),
        "gain": (
            logps(again, questions, True)
            - logps(load(model, device="cpu", quantise="nf4"), questions, True)
        ).abs().max().item(),
        "merged": (
            logps(load(folder, device="cpu"), questions, True) - logps(again, questions, True)
        ).abs().mean().item(),
        "card": (folder / "README.md").read_text(encoding="utf-8"),
    }  # fmt: skip


def refusals(
    model: Path, questions: list[AudioQuestion], adapter: Path, out: Path
) -> dict[str, str]:
    """What cannot be done with weights in 4 bits."""
    loaded = load(model, device="cpu", quantise="nf4")
    on_top = load(adapter, device="cpu", quantise="nf4")
    lora = SFTSettings(steps=1, lora_rank=4)
    return {
        "full": refusal(lambda: train_sft(loaded, questions, SFTSettings(steps=1), out)),
        "on top": refusal(lambda: train_sft(on_top, questions, lora, out)),
        "save": refusal(lambda: save(loaded, out)),
        "device": refusal(lambda: load(model, device="meta", quantise="nf4")),
    }


def optimiser(model: Path, questions: list[AudioQuestion], out: Path) -> dict[str, Any]:
    """A step of 8-bit AdamW."""
    loaded = load(model, device="cpu")
    before = copy.deepcopy(loaded.model.state_dict())
    settings = SFTSettings(steps=1, batch_size=2, optim="adamw_bnb_8bit", lr=1e-3)
    said = refusal(lambda: train_sft(loaded, questions, settings, out))
    changed = sum(
        not torch.equal(value, before[name]) for name, value in loaded.model.state_dict().items()
    )
    return {"said": said, "changed": changed}


if __name__ == "__main__":
    place, asked, target = Path(sys.argv[1]), read_questions(Path(sys.argv[2])), Path(sys.argv[3])
    assert not isinstance(load(place, device="cpu").model, PeftModel)
    report = {
        "precision": precision(place, asked),
        "grpo with encoder": training(
            "grpo", place, asked, target / "encoder", freeze_audio_encoder=False
        ),
        "sft": training("sft", place, asked, target / "sft"),
        "refusals": refusals(place, asked, target / "sft" / "model", target / "none"),
        "written": (target / "none").exists(),
        "8-bit": optimiser(place, asked, target / "8-bit"),
    }
    print("REPORT", json.dumps(report))
