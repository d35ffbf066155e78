"""Rejection sampling: a model's own correct answers, as what `train_sft` learns."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.data.recordings import check_recordings
from r1aqa_helpers.models import MAX_NEW_TOKENS, LoadedModel, sampling_config, weights_fingerprint
from r1aqa_helpers.training.grpo.trainer import sample_answers
from r1aqa_helpers.training.prompt_cache import PromptCache
from r1aqa_helpers.training.rewards import accuracy_reward
from r1aqa_helpers.training.run import identify_questions
from r1aqa_helpers.training.sft import COMPLETION
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json
from r1aqa_helpers.utils.progress import track
from r1aqa_helpers.utils.untrusted import shown

#: Answers to each question, as many as in GRPO's groups.
ANSWERS = 8
#: Questions that are asked at once.
_AT_ONCE = 8


def own_answers(
    loaded: LoadedModel,
    questions: Sequence[AudioQuestion],
    path: Path,
    prompt: int = 2,
    seed: int = 0,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> list[AudioQuestion]:
    """The questions that the model answered correctly, with such an answer to be learnt.

    Each question is answered `ANSWERS` times at temperature 1. The first answer that is correct
    (by `accuracy_reward`), has ended by itself and holds no special token becomes its
    ``extra["completion"]``, as the model said it.

    Args:
        path: file of all the answers; where it is there, nothing is sampled.

    Raises:
        UserError: no answer is correct, a recording cannot be used, or the file holds another
            run's answers.
    """
    run = {
        "model": weights_fingerprint(loaded),
        "prompt": prompt,
        "seed": seed,
        "max_new_tokens": max_new_tokens,
        "questions": identify_questions(questions),
    }
    if not path.exists():
        check_recordings(questions)
        torch.manual_seed(seed)
        config = sampling_config(loaded, max_new_tokens)
        rows = list(_sampled(loaded, questions, prompt, config))
        write_json(path, {"run": run, "answers": rows})
    held = read_json(path)
    if held["run"] != run:
        raise UserError(f"{shown(path)}: holds the answers of another run; remove it")
    kept = []
    for question, answers in zip(questions, held["answers"], strict=True):
        said = [one["text"] for one in answers if one["whole"]]
        correct = accuracy_reward(said, [question.answer or ""] * len(said))
        if any(correct):
            extra = {**question.extra, COMPLETION: said[correct.index(1.0)]}
            kept.append(replace(question, extra=extra))
    if not kept:
        raise UserError(
            f"rejection sampling: none of {ANSWERS} answers to any of {len(questions)} questions is"
            " correct, so that there is nothing to learn; choose another model or prompt"
        )
    return kept


def sampled_counts(path: Path) -> tuple[int, int]:
    """How many answers, and how many tokens, the file of `own_answers` holds."""
    answers = [one for row in read_json(path)["answers"] for one in row]
    return len(answers), sum(one["tokens"] for one in answers)


def _sampled(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], prompt: int, config: GenerationConfig
) -> Iterator[list[dict[str, Any]]]:
    """Each question's answers: text, number of tokens, and whether it can be learnt as it is."""
    tokenizer, prompts = loaded.processor.tokenizer, PromptCache(loaded)
    special = set(tokenizer.all_special_ids)
    for start in track(range(0, len(questions), _AT_ONCE), "own answers"):
        numbers = [
            prompts.number(build_prompt(question_text(one), one.choices, prompt), one.audio)
            for one in questions[start : start + _AT_ONCE]
        ]
        group = torch.arange(len(numbers), device=loaded.device).repeat_interleave(ANSWERS)
        tokens = sample_answers(
            loaded.model,
            *prompts.tokens(numbers, loaded.device),
            prompts.clips(numbers, loaded.device),
            group,
            config,
        ).tolist()
        rows = []
        for row in tokens:
            end = next((i for i, one in enumerate(row) if one in loaded.eos_ids), None)
            said = row[:end]
            rows.append(
                {
                    "text": tokenizer.decode(said, clean_up_tokenization_spaces=False),
                    "tokens": len(said) + (end is not None),
                    "whole": end is not None and not special.intersection(said),
                }
            )
        yield from (rows[i : i + ANSWERS] for i in range(0, len(rows), ANSWERS))
