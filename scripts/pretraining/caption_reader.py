"""A small text model that answers questions about a clip from the clip's caption.

The tiny checkpoint's language half has learnt to read choices, but what a clip holds it knows
from the audio encoder alone: of a caption it makes little. Here a part of it learns to read
captions, from the recipes of tiny-avqa's training clips; neither test clips nor test questions
come into it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

from pretraining.lessons import Lesson, Teacher
from r1aqa_helpers.data.prompts import caption_prompt
from r1aqa_helpers.evaluation.cascade import weakened
from r1aqa_helpers.models.text_model import TextModel, chat
from r1aqa_helpers.tiny import question_types
from r1aqa_helpers.tiny.scenes import Scene

#: Layers of the language half that are kept: a file stays below 4 MB.
LAYERS = (0, 2, 4)
#: Share of the lessons that ask for the caption itself, word for word: to find again what stands
#: in a text is the half that the audio encoder did for it so far.
REPEAT = 0.2
#: Share of the questions with a few words in place of the whole caption.
WEAK = 0.1
#: Weight of the prompts' own tokens beside the answers': their choices, too, repeat the caption.
PROMPT_WEIGHT = 0.2
#: Share of the lessons with prompt <2>, which asks for tags; the others have <1>.
TAGS = 0.7


def part_of(half: TextModel, layers: Sequence[int] = LAYERS) -> TextModel:
    """A copy of a language half with some of its layers, in their order."""
    config = half.model.config.to_dict()
    kinds = [config["layer_types"][layer] for layer in layers]
    config |= {"num_hidden_layers": len(layers), "layer_types": kinds}
    model = Qwen2ForCausalLM(Qwen2Config.from_dict(config))
    weights = {}
    for name, tensor in half.model.state_dict().items():
        parts = name.split(".")
        if parts[:2] == ["model", "layers"]:
            if int(parts[2]) not in layers:
                continue
            parts[2] = str(layers.index(int(parts[2])))
        weights[".".join(parts)] = tensor
    model.load_state_dict(weights)
    model.generation_config = GenerationConfig(
        eos_token_id=half.eos_ids, pad_token_id=half.tokenizer.pad_token_id
    )
    return TextModel(model, half.tokenizer, half.name)


def caption_lesson(scene: Scene, rng: np.random.Generator, teacher: Teacher) -> Lesson:
    """A question that fits the scene, asked of its true caption, and the correct answer.

    Now and then the caption itself is asked for.
    """
    caption = question_types.caption(scene)
    if rng.random() < REPEAT:
        return f"Caption of the audio: {caption} Repeat the caption.", caption
    _, question, answer, choices = teacher.question(scene, rng)
    if rng.random() < WEAK:
        caption = weakened(caption)
    number = 2 if rng.random() < TAGS else 1
    said = f"<answer>{answer}</answer>" if number == 2 else answer
    return caption_prompt(caption, question, choices, number), said


def lesson_loss(
    text_model: TextModel, scenes: Sequence[Scene], batch: int
) -> Callable[[np.random.Generator], torch.Tensor]:
    """Cross-entropy over ``batch`` lessons, all question types alike often.

    The mean over the answers' tokens, and, with less weight, that over the prompts'. Returns a
    function of a random generator, as `loop.run_stage` takes it.
    """
    teacher = Teacher(scenes)
    chances = teacher.weights / teacher.weights.sum()
    tokenizer, end = text_model.tokenizer, text_model.tokenizer.eos_token
    pad = tokenizer.pad_token_id

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False).input_ids

    def loss_of(rng: np.random.Generator) -> torch.Tensor:
        rows, asked_lengths = [], []
        for index in rng.choice(len(scenes), size=batch, p=chances):
            asked, answer = caption_lesson(scenes[index], rng, teacher)
            prompt, said = ids(chat(text_model, asked)), ids(answer + end)
            rows.append(prompt + said)
            asked_lengths.append(len(prompt))
        lengths = torch.tensor([len(row) for row in rows])
        longest = int(lengths.max())
        # Padding on the right needs no mask: no token looks ahead, and its losses are not counted.
        tokens = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
        logits = text_model.model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
        losses = nn.functional.cross_entropy(
            logits.transpose(1, 2), tokens[:, 1:], reduction="none"
        )
        places = torch.arange(1, longest)
        answers = (places >= torch.tensor(asked_lengths)[:, None]) & (places < lengths[:, None])
        prompts = places < torch.tensor(asked_lengths)[:, None]
        return losses[answers].mean() + PROMPT_WEIGHT * losses[prompts].mean()

    return loss_of


def save_reader(text_model: TextModel, folder: Path) -> None:
    """Write weights in half precision (safetensors), tokenizer and chat template to ``folder``."""
    text_model.model.half().save_pretrained(folder)
    text_model.tokenizer.save_pretrained(folder)
