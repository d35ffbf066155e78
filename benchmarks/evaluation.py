"""1,000 tiny-mmau questions: `answering` against the published evaluation loop.

The published loop, rebuilt from its description: questions in the order of the file, batches of
32, recordings decoded in the loop, features of a whole window, ``generate`` up to 256 tokens.
Both answer greedily. Beside them the stages that no evaluation can do without, each timed alone
on the batches of `answering`: decoding, log-mel and tokens, audio encoder, prefill, answer steps.
"""

import contextlib
import io
import statistics
import time
from collections.abc import Callable
from typing import Any

from common import alternate, parser, ratio, write_result

BATCH = 32
MOST_TOKENS = 256


def published_loop(loaded: Any, questions: list) -> dict[str, str]:
    """The answer to each question, by id."""
    import torch

    from r1aqa_helpers.data.audio import SAMPLE_RATE, clip_to_window, load_audio
    from r1aqa_helpers.data.prompts import build_prompt, question_text
    from r1aqa_helpers.models import chat_text, greedy_config
    from r1aqa_helpers.models.generation_config import own_generation_config

    said, processor = {}, loaded.processor
    config = greedy_config(loaded, MOST_TOKENS)
    for start in range(0, len(questions), BATCH):
        batch = questions[start : start + BATCH]
        texts = [chat_text(loaded, build_prompt(question_text(q), q.choices, 2)) for q in batch]
        waves = [clip_to_window(load_audio(q.audio), loaded.window_seconds)[0] for q in batch]
        inputs = processor(
            text=texts,
            audio=waves,
            sampling_rate=SAMPLE_RATE,
            padding=True,
            return_tensors="pt",
        ).to(loaded.device)
        with torch.inference_mode(), own_generation_config(loaded.model, config):
            tokens = loaded.model.generate(**inputs, generation_config=config)
        answers = processor.batch_decode(
            tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        said |= {q.id: answer for q, answer in zip(batch, answers, strict=True)}
    return said


def shipped(loaded: Any, questions: list, batch_tokens: int) -> dict[str, str]:
    """The same by `answer_questions`, its progress not shown."""
    from r1aqa_helpers.evaluation.local import answer_questions

    with contextlib.redirect_stderr(io.StringIO()):
        predictions = answer_questions(
            loaded, questions, max_new_tokens=MOST_TOKENS, batch_tokens=batch_tokens
        )
    return {prediction.id: prediction.response for prediction in predictions}


def stages(loaded: Any, questions: list, batch_tokens: int) -> dict[str, float]:
    """Seconds of each stage alone, over the batches that `answer_questions` makes."""
    import torch

    from r1aqa_helpers.data.audio import clip_to_window, load_audio
    from r1aqa_helpers.data.prompts import build_prompt, question_text
    from r1aqa_helpers.evaluation.local import plan_batches
    from r1aqa_helpers.models import (
        Clips,
        chat_text,
        decode,
        embed_prompts,
        encode,
        greedy_config,
        positions,
    )

    texts = {q.id: chat_text(loaded, build_prompt(question_text(q), q.choices, 2))
             for q in questions}  # fmt: skip
    batches = plan_batches(loaded, questions, texts, len(questions), batch_tokens, MOST_TOKENS)
    seconds: dict[str, float] = {}

    def stage(name: str, work: Callable[[Any], Any], inputs: list) -> list:
        start = time.perf_counter()
        with torch.inference_mode():
            made = [work(one) for one in inputs]
        seconds[name] = time.perf_counter() - start
        return made

    def read(batch: list) -> list:
        return [clip_to_window(load_audio(q.audio), loaded.window_seconds)[0] for q in batch]

    def embed(inputs: Any) -> torch.Tensor:
        own = torch.arange(len(inputs["input_ids"]), device=loaded.device)[:, None]
        clips = Clips(inputs["input_features"], inputs["feature_attention_mask"], own)
        return embed_prompts(loaded.model, inputs["input_ids"], clips)

    def prefill(one: tuple) -> torch.Tensor:
        inputs, embedded = one
        return loaded.model.model.language_model(
            inputs_embeds=embedded,
            attention_mask=inputs["attention_mask"],
            position_ids=positions(inputs["attention_mask"]),
            use_cache=True,
        ).last_hidden_state

    def answer(one: tuple) -> torch.Tensor:
        inputs, embedded = one
        ids, rows = inputs["input_ids"], torch.arange(len(embedded), device=loaded.device)
        config = greedy_config(loaded, MOST_TOKENS)
        return decode(loaded.model, ids, inputs["attention_mask"], embedded, rows, config)

    waves = stage("decoding", read, batches)
    encoded = stage(
        "log-mel and tokens",
        lambda one: encode(loaded, [texts[q.id] for q in one[0]], one[1]),
        list(zip(batches, waves, strict=True)),
    )
    pairs = list(zip(encoded, stage("audio encoder", embed, encoded), strict=True))
    stage("prefill", prefill, pairs)
    stage("answer steps", answer, pairs)
    seconds["answer steps"] -= seconds["prefill"]  # which `decode` does as well
    return seconds


def main() -> None:
    """Measure, print, write the JSON."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--questions", type=int, default=1000, help="how many to ask")
    chosen = arguments.parse_args()

    from r1aqa_helpers.data import read_questions
    from r1aqa_helpers.hardware import TINY_PROFILE
    from r1aqa_helpers.models import load
    from r1aqa_helpers.tiny.data import prepare

    loaded = load(TINY_PROFILE.model, TINY_PROFILE.device, TINY_PROFILE.dtype)
    questions = read_questions(prepare().test)[: chosen.questions]
    tokens = TINY_PROFILE.eval_tokens
    answers: dict[str, dict[str, str]] = {}

    def kept(name: str, work: Callable[[], dict[str, str]]) -> Callable[[], None]:
        def run() -> None:
            answers[name] = work()

        return run

    seconds = alternate(
        {
            "published": kept("published", lambda: published_loop(loaded, questions)),
            "shipped": kept("shipped", lambda: shipped(loaded, questions, tokens)),
        },
        chosen.runs,
        warmup=0 if len(questions) > 100 else 1,
    )
    parts = [stages(loaded, questions, tokens) for _ in range(min(3, chosen.runs))]
    alone = {name: statistics.median([part[name] for part in parts]) for name in parts[0]}
    differing = sum(answers["published"][one.id] != answers["shipped"][one.id] for one in questions)
    gain = ratio(seconds, "published", "shipped")
    over = statistics.median(seconds["shipped"]) / sum(alone.values())
    for name, values in seconds.items():
        print(f"{name:10} {statistics.median(values):6.2f} s for {len(questions)} questions")
    for name, value in alone.items():
        print(f"  {name:20} {value:6.2f} s alone")
    print(f"shipped takes {over:.2f} of the sum of the stages ({sum(alone.values()):.2f} s)")
    write_result(
        "evaluation",
        {
            "questions": len(questions),
            "ratio": gain,
            "differing": differing,
            "seconds": seconds,
            "stages": alone,
            "of_stages": over,
        },
        n=chosen.runs,
        folder=chosen.out,
    )
    print(f"evaluation {gain:.1f} differing {differing}")


if __name__ == "__main__":
    main()
