"""Does the model hear? A pipeline that loses the clip answers all the same, and plausibly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..audio import clip_to_window, load_audio
from ..errors import UserError
from ..prompts import build_prompt, question_text
from ..questions import AudioQuestion
from .bundle import LoadedModel, chat_text, encode
from .precision import check_finite

#: Mean absolute change, in nats per token, under which a model counts as deaf. The clip and
#: silence go through the same shapes, so that a deaf model's change is zero or rounding noise.
THRESHOLD = 1e-4


@dataclass(frozen=True)
class ListeningReport:
    """How far the choices' log-probabilities moved when the clip was replaced by silence."""

    change: float
    """Mean absolute change over all choices of all questions, in nats per token."""
    n: int
    """Number of questions."""


def listening_check(
    loaded: LoadedModel, questions: Sequence[AudioQuestion], n: int = 4
) -> ListeningReport:
    """Compare the choices' log-probabilities with the clip and with silence of its length.

    ``n`` questions, evenly spaced (test files are ordered by task), with prompt <2>.
    Raises ``UserError`` where they hardly move: the model does not hear.
    """
    if not questions:
        raise UserError("listening check: there is no question to check the model with")
    changes = []
    chosen = questions[:: max(1, len(questions) // n)][:n]
    for question in chosen:
        wave, _ = clip_to_window(load_audio(question.audio), loaded.window_seconds)
        text = chat_text(loaded, build_prompt(question_text(question), question.choices, 2))
        heard = choice_logprobs(loaded, text, wave, question.choices)
        silent = choice_logprobs(loaded, text, np.zeros_like(wave), question.choices)
        changes.append((heard - silent).abs())
    change = torch.cat(changes).mean().item()
    if change < THRESHOLD:
        raise UserError(
            f"model {loaded.name}: does not hear: silence in place of the clip moves its choices "
            f"by {change:.1e} nats per token (at least {THRESHOLD:.0e} needed); "
            "check the checkpoint's audio weights and the processor"
        )
    return ListeningReport(change=change, n=len(chosen))


@torch.inference_mode()
def choice_logprobs(
    loaded: LoadedModel, text: str, wave: np.ndarray, choices: Sequence[str]
) -> torch.Tensor:
    """Mean log-probability per token of each choice as the answer, in nats: (choices,), float32.

    ``text`` is from ``chat_text``; each choice, with the turn's end, is forced as the
    assistant's turn.
    """
    tokenizer = loaded.processor.tokenizer
    prompt = encode(loaded, [text], [wave])
    scores = []
    # One choice at a time: at 7B a row's logits alone are half a gigabyte.
    for choice in choices:
        tokens = tokenizer(choice, add_special_tokens=False).input_ids + loaded.eos_ids[:1]
        answer = torch.tensor([tokens], device=loaded.device)
        row = {
            **prompt,
            "input_ids": torch.cat([prompt["input_ids"], answer], dim=1),
            "attention_mask": torch.cat([prompt["attention_mask"], torch.ones_like(answer)], dim=1),
        }
        length = answer.shape[1]
        logits = loaded.model(**row).logits[0, -length - 1 : -1].float()
        check_finite(logits, f"model {loaded.name}: its logits")
        scores.append(logits.log_softmax(-1).gather(1, answer[0, :, None]).mean())
    return torch.stack(scores).cpu()
