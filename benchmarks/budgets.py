"""Compute every profile's memory, and compare the arithmetic with updates of the tiny model.

What it writes: ``profiles``, the budgets, each figure with its source; ``measured``, of the tiny
track, the minutes of the recorded run and the memory of processes that do a piece of each part;
``checks``, measured and computed bytes of whole updates, and the seconds of one beside the least
that its FLOPs take at the machine's rate.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import (
    RESULTS,
    long_prompt,
    noise_questions,
    parser,
    prompt_rows,
    varied_reward,
)
from tensor_memory import TensorMemory

AUDIO, TEXT, ANSWER = 100, 80, 9
CLIP_SECONDS = AUDIO / 25
#: The processes of a profile for several GPUs: R1-AQA's.
PROCESSES = {"multi-gpu": 8}
#: Of an update: dtype ("autocast": float32, computed in bfloat16), rank of LoRA (0: none), groups
#: of 8 answers, and for thinking gradient checkpointing and the tokens of an answer.
CASES = (
    ("float32", 0, 4),
    ("float32", 16, 4),
    ("bfloat16", 16, 4),
    ("bfloat16", 16, 1, True, 96),
    ("autocast", 0, 4, True),
)
SIZE = 8
#: Questions and text tokens of the update that ``grpo_update.py`` timed as "avqa".
UPDATED, UPDATED_TEXT = 8, 230


def profile_for(
    dtype: str,
    rank: int,
    groups: int,
    checkpointing: bool = False,
    answer: int = ANSWER,
    size: int = SIZE,
) -> Any:
    """The tiny profile with other settings of GRPO, whose audio encoder is frozen with LoRA."""
    from r1aqa_helpers.hardware import TINY_PROFILE

    autocast = dtype == "autocast"
    place = {"dtype": "float32", "device": "cuda"} if autocast else {"dtype": dtype}
    settings = {
        **TINY_PROFILE.grpo,
        "prompts_per_step": 2 * groups,
        "prompts_per_rollout": groups,
        "prompts_per_forward": groups,
        "group_size": size,
        "max_completion": answer,
        "lora_rank": rank,
        "freeze_audio_encoder": bool(rank) or autocast,
        "gradient_checkpointing": checkpointing,
    }
    return replace(TINY_PROFILE, name="case", grpo=settings, **place)


def trainer_for(profile: Any, loaded: Any, folder: Path, steps: int) -> Any:
    """A trainer whose answers all have the most tokens, asked about noise of 4 s."""
    from accelerate.utils import AutocastKwargs
    from datasets import Dataset
    from transformers import PrinterCallback

    from r1aqa_helpers.models.lora import choose_trained, lora_config
    from r1aqa_helpers.training.grpo.run import audio_grpo_config
    from r1aqa_helpers.training.grpo.trainer import AudioGRPOTrainer

    settings = profile.grpo
    rank, groups, size = (
        settings[name] for name in ("lora_rank", "prompts_per_forward", "group_size")
    )
    choose_trained(loaded.model, rank, settings["freeze_audio_encoder"])
    questions = noise_questions(folder, 2 * groups, CLIP_SECONDS)
    suppressed = [*loaded.eos_ids, loaded.model.config.audio_token_id]
    trainer = AudioGRPOTrainer(
        model=loaded.model,
        reward_funcs=varied_reward,
        args=audio_grpo_config(
            folder,
            num_generations=size,
            per_device_train_batch_size=groups * size,
            # Two passes, each with its rollout: the second meets the gradients of the first.
            gradient_accumulation_steps=2,
            steps_per_generation=1,
            max_completion_length=settings["max_completion"],
            generation_kwargs={"suppress_tokens": suppressed},
            learning_rate=1e-5,
            max_steps=steps,
            shuffle_dataset=False,
            save_strategy="no",
            use_cpu=True,
            bf16=profile.dtype == "bfloat16" or profile.device == "cuda",
        ),
        processing_class=loaded.processor,
        train_dataset=Dataset.from_list(prompt_rows(questions, long_prompt(loaded, TEXT))),
        peft_config=lora_config(rank) if rank else None,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.accelerator.autocast_handler = AutocastKwargs(cache_enabled=False)
    return trainer


def update_bytes(*case: Any) -> dict[str, Any]:
    """Bytes of tensors at the peak of two whole updates on the CPU, and what is computed.

    Args:
        case: arguments of `profile_for`, such as one of `CASES`.
    """
    from r1aqa_helpers.hardware.budgets import budget
    from r1aqa_helpers.models import load_for
    from r1aqa_helpers.training import quiet

    profile = profile_for(*case)
    dtype, rank, groups = case[:3]
    size, longest = profile.grpo["group_size"], profile.grpo["max_completion"]
    loaded = load_for(profile, device="cpu")
    if profile.grpo["gradient_checkpointing"]:
        loaded.model.activation_checkpointing_enable({"use_reentrant": False})
    memory = TensorMemory([*loaded.model.parameters(), *loaded.model.buffers()])
    with tempfile.TemporaryDirectory() as folder, quiet(), memory:
        trainer_for(profile, loaded, Path(folder), steps=2).train()
    found = budget(profile, audio=AUDIO, text=TEXT, answer=ANSWER)
    computed = max(sum(found.stages[name].values()) for name in ("grpo rollout", "grpo update"))
    return {
        "what": f"GRPO update, {dtype}, {f'LoRA of rank {rank}' if rank else 'all weights'}, "
        f"{groups} questions x {size} answers of {longest} tokens"
        + (", gradient checkpointing" if profile.grpo["gradient_checkpointing"] else ""),
        "measured_bytes": memory.peak,
        "computed_bytes": computed,
        "measured_by_computed": round(memory.peak / computed, 3),
    }


def update_seconds() -> dict[str, Any]:
    """The seconds of an update by ``grpo_update.py``, and of its FLOPs at ``flops.py``'s rate."""
    from r1aqa_helpers.hardware import flops
    from r1aqa_helpers.utils.io import read_json

    update, counted = (read_json(RESULTS / f"{name}.json") for name in ("grpo_update", "flops"))
    (seconds,) = (
        cell["median_seconds"]["update"]["shared"]
        for cell in update["cells"]
        if (cell["prompt"], cell["group"], cell["questions"]) == ("avqa", SIZE, UPDATED)
    )
    group = flops.Group(SIZE, AUDIO, UPDATED_TEXT, ANSWER)
    least = UPDATED * flops.group_flops(flops.tiny_config(), group, "shared")["total"]
    rate = counted["matrix_flops_per_second"]
    return {
        "what": f"GRPO update, float32, all weights, {UPDATED} questions x {SIZE} answers",
        "measured_seconds": seconds,
        "at_least_seconds": least / rate,
        "measured_by_at_least": round(seconds * rate / least, 3),
        "flops_per_second": rate,
        "hardware": update["hardware"],
    }


def do_part(part: str) -> None:
    """A piece of the tiny track's main job, for the memory that its process takes."""
    from r1aqa_helpers.data import read_questions
    from r1aqa_helpers.evaluation.local import answer_questions
    from r1aqa_helpers.hardware import TINY_PROFILE
    from r1aqa_helpers.models import load_for
    from r1aqa_helpers.tiny.data import prepare
    from r1aqa_helpers.training.grpo.run import GRPOSettings, train_grpo
    from r1aqa_helpers.training.sft import SFTSettings, train_sft

    profile, data = TINY_PROFILE, prepare()
    loaded = load_for(profile)
    if part == "answering":
        answer_questions(
            loaded,
            read_questions(data.test)[:100],
            batch_tokens=profile.eval_tokens,
            max_new_tokens=profile.max_new_tokens,
        )
        return
    train, settings = {
        "sft": (train_sft, SFTSettings(**{**profile.sft, "steps": 2})),
        "grpo": (train_grpo, GRPOSettings(**{**profile.grpo, "steps": 2})),
    }[part]
    with tempfile.TemporaryDirectory() as folder:
        train(loaded, read_questions(data.train), settings, Path(folder) / part)


def process_bytes(part: str) -> int:
    """The largest resident size of a process that does `do_part`; Linux counts in KiB."""
    code = f"import budgets, resource; budgets.do_part({part!r});"
    code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)


def tiny_measured(where: dict[str, Any]) -> dict[str, Any]:
    """Minutes of the recorded run, and the memory of processes here, each with its source."""
    from r1aqa_helpers.utils.io import read_json
    from r1aqa_helpers.utils.paths import TINY

    run = read_json(TINY / "reference_run" / "results.json")
    origin = run.get("provenance", run)
    rows = {(row["method"], row["prompt"]): row for row in run["rows"]}
    seconds = {
        "answering": rows["direct", 2]["seconds"],
        "sft": rows["sft", 2]["train_seconds"],
        "grpo": rows["grpo", 2]["train_seconds"],
    }
    recorded = f"measured ({origin['hardware']}, {origin['date']})"
    here = f"measured ({where['hardware']}, {where['date']})"
    return {
        "minutes": {
            part: {"value": value / 60, "source": recorded} for part, value in seconds.items()
        },
        "memory": {part: {"value": process_bytes(part), "source": here} for part in seconds},
    }


def gpu_measured(folder: Path = RESULTS) -> dict[str, Any]:
    """Of profiles, the memory of GRPO steps that ``gpu_7b.py`` has measured."""
    from r1aqa_helpers.utils.io import read_json

    found: dict[str, Any] = {}
    for path in sorted(folder.glob("gpu_7b*.json")):
        card = read_json(path)
        for part, one in card.items():
            if part.startswith("profile_") and "limit_gb" in one:
                source = f"measured ({card['hardware']}, {one['limit_gb']:.0f} GB, {card['date']})"
                figure = {"value": round(1e9 * one["peak_memory_gb"]), "source": source}
                found[part.removeprefix("profile_")] = {"memory": {"grpo": figure}}
    return found


def budgets() -> dict[str, Any]:
    """Every profile's budget, as the package gives it."""
    from r1aqa_helpers.hardware import PROFILES
    from r1aqa_helpers.hardware.budgets import budget

    return {
        name: {
            **budget(profile, gpus=PROCESSES.get(name, 1)).as_dict(),
            "sft": dict(profile.sft),
            "grpo": dict(profile.grpo),
            "thinking": {
                "settings": profile.for_thinking().grpo,
                **budget(profile.for_thinking(), gpus=PROCESSES.get(name, 1)).as_dict()["memory"],
            },
        }
        for name, profile in PROFILES.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute, measure, print, and write it all as JSON."""
    options = parser(__doc__)
    options.add_argument(
        "--computed", action="store_true", help="keep the file's measurements of memory as they are"
    )
    chosen = options.parse_args(arguments)

    from r1aqa_helpers.utils.io import read_json, write_json
    from r1aqa_helpers.utils.provenance import provenance

    path = chosen.out / "budgets.json"
    if chosen.computed:
        kept = read_json(path)
    else:
        where = provenance()
        checks = [update_bytes(*case) for case in CASES]
        kept = {
            "where": where,
            "measured": {"tiny": tiny_measured(where)},
            "checks": {"memory": checks},
        }
    kept["checks"]["time"] = update_seconds()
    kept["measured"] = {"tiny": kept["measured"]["tiny"], **gpu_measured(chosen.out)}
    write_json(path, kept)  # the budgets look for what has been measured
    write_json(path, {**kept, "profiles": budgets()})
    for check in kept["checks"]["memory"]:
        print(f"{check['what']}: {check['measured_by_computed']:.2f} of the computed bytes")
    time = kept["checks"]["time"]
    print(f"{time['what']}: {time['measured_by_at_least']:.2f} times the least seconds")


if __name__ == "__main__":
    sys.exit(main())
