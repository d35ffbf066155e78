"""The hearing check: a pipeline that loses the clip answers all the same, and plausibly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from r1aqa_helpers.data import AudioQuestion
from r1aqa_helpers.data.audio import clip_to_window, load_audio
from r1aqa_helpers.data.decoding import is_silent
from r1aqa_helpers.data.prompts import build_prompt, question_text
from r1aqa_helpers.models.loaded import LoadedModel, chat_text, encode
from r1aqa_helpers.models.precision import check_finite
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.untrusted import shown

#: Mean absolute change, in nats per token, under which a model ignores the audio. The clip and
#: silence have the same shapes, so that such a model's change is zero or rounding noise.
THRESHOLD = 1e-4


@dataclass(frozen=True)
class HearingReport:
    """How far the choices' log-probabilities moved when the clip was replaced by silence."""

    change: float
    """Mean absolute change over all choices of all questions, in nats per token."""
    n: int
    """Number of questions."""


def hearing_check(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], n: int = 4
) -> HearingReport:
    """Compare the choices' log-probabilities with the clip and with silence of its length.

    ``n`` questions, evenly spaced (test files are ordered by task), with prompt <2>; others in
    place of those whose clips are silent or cannot be read.

    Raises:
        UserError: they hardly move, so the model ignores the audio; or there is no clip to hear.
    """
    if not questions:
        raise UserError("hearing check: there is no question to check the model with")
    changes: list[float] = []
    faults: dict[Path, str] = {}
    step = max(1, len(questions) // n)
    for question in (q for start in range(step) for q in questions[start::step]):
        if len(changes) == n:
            break
        try:
            wave, _ = clip_to_window(load_audio(question.audio), loaded.window_seconds)
        except UserError as fault:
            faults[question.audio] = str(fault)
            continue
        if is_silent(wave):
            faults[question.audio] = f"{shown(question.audio)}: is silent"
            continue
        text = chat_text(loaded, build_prompt(question_text(question), question.choices, 2))
        heard = choice_logprobs(loaded, text, wave, question.choices)
        silent = choice_logprobs(loaded, text, np.zeros_like(wave), question.choices)
        changes.append((heard - silent).abs())
    if not changes:
        raise UserError(
            f"hearing check: no question has a recording that can be heard; of {len(faults)} the"
            f" first: {next(iter(faults.values()))}"
        )
    change = torch.cat(changes).mean().item()
    if change < THRESHOLD:
        raise UserError(
            f"model {loaded.name}: does not hear: silence in place of the clip moves its choices "
            f"by {change:.1e} nats per token (at least {THRESHOLD:.0e} needed); "
            "check the checkpoint's audio weights and the processor"
        )
    return HearingReport(change=change, n=len(changes))


@torch.inference_mode()
def choice_logprobs(
    loaded: LoadedModel, text: str, wave: np.ndarray, choices: Sequence[str]
) -> torch.Tensor:
    """Mean log-probability per token of each choice as the answer, in nats: (choices,), float32.

    ``text`` is from ``chat_text``; each choice, with the turn's end, is forced as the
    assistant's turn. The clip and the prompt are computed once, and logits are made at the
    positions of the answers only.
    """
    tokenizer, model = loaded.processor.tokenizer, loaded.model
    prompt = model.model(**encode(loaded, [text], [wave]), use_cache=True)
    cache, last = prompt.past_key_values, prompt.last_hidden_state[0, -1:]
    length = prompt.last_hidden_state.shape[1]
    scores = []
    for choice in choices:
        tokens = tokenizer(choice, add_special_tokens=False).input_ids + loaded.eos_ids[:1]
        answer = torch.tensor([tokens], device=loaded.device)
        cache.crop(length - cache.get_seq_length())  # without the choice before
        states = model.model.language_model(
            inputs_embeds=model.get_input_embeddings()(answer[:, :-1]),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state[0]
        logits = model.lm_head(torch.cat([last, states])).float()
        check_finite(logits, f"model {loaded.name}: its logits")
        scores.append(logits.log_softmax(-1).gather(1, answer[0, :, None]).mean())
    return torch.stack(scores).cpu()
