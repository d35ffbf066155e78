"""Pre-training: packed lessons equal separate rows, and an interrupted stage goes on exactly."""

import json
import re
from collections import Counter

import numpy as np
import pretrain_tiny
import pytest
import torch
from pretraining import encoder, language
from pretraining.lessons import Teacher, drill, how_often_it_thinks, step_drill, tokenizer_corpus
from pretraining.loop import Schedule, orthogonal, run_stage
from pretraining.pool import COLUMNS, FRAME_RATE, Pool, build_pool, frame_targets

from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.data.prompts import chat_messages
from r1aqa_helpers.models import LoadedModel, encode
from r1aqa_helpers.tiny.build import build_tokenizer, random_tiny
from r1aqa_helpers.tiny.data import MODEL
from r1aqa_helpers.tiny.scene_families import TRAINING, draw
from r1aqa_helpers.tiny.scenes import Event, Scene, event_wave, render
from r1aqa_helpers.tiny.sounds import NUMBERS, load_bank


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, Pool]:
    model, processor = random_tiny(seed=3)
    folder = tmp_path_factory.mktemp("pool") / "pool"
    pool = build_pool(folder, 12, TRAINING, processor.feature_extractor, seed=5)
    return LoadedModel(model, processor, "random"), pool


def test_packed_lessons_equal_separate_rows(world):
    loaded, pool = world
    model, processor = loaded.model, loaded.processor

    teacher, given = Teacher(pool.scenes), []

    def teach(scene, rng):
        given.append((scene, teacher.hearing(scene, rng)))
        return given[-1][1]

    outputs = language.encoder_outputs(model.model.audio_tower, pool)
    loss_of = language.lesson_loss(model, processor, pool, teach, 6, outputs, teacher.weights)
    with torch.no_grad():
        packed = loss_of(np.random.default_rng(7)).item()
        total, tokens = 0.0, 0
        for scene, (user, answer) in list(given):
            text = processor.apply_chat_template(
                chat_messages(user), add_generation_prompt=True, tokenize=False
            )
            inputs = encode(loaded, [text + answer + "<|im_end|>"], [render(scene, load_bank())])
            said = len(processor.tokenizer(answer + "<|im_end|>").input_ids)
            logits = model(**inputs).logits[0, -said - 1 : -1]
            total += torch.nn.functional.cross_entropy(
                logits, inputs["input_ids"][0, -said:], reduction="sum"
            ).item()
            tokens += said
    # The pool keeps log-mels in half precision, hence the tolerance.
    assert packed == pytest.approx(total / tokens, rel=2e-3)


def test_interrupted_stage_goes_on_exactly(world, tmp_path):
    _, pool = world

    def train(folder, steps: list[int]) -> torch.Tensor:
        folder.mkdir()
        for last in steps:
            model, _ = random_tiny(seed=3)
            tagger = encoder.Tagger(model.model.audio_tower)
            torch.manual_seed(9)
            for head in (tagger.frames, tagger.scene):
                torch.nn.init.normal_(head.weight, std=0.02)
                torch.nn.init.zeros_(head.bias)
            loss_of = encoder.encoder_loss(tagger, pool, 4)
            schedule = Schedule(steps=4, batch=4, learning_rate=1e-3, seed=1, save_every=2)

            def limited(rng, loss_of=loss_of, last=last, made=[0]):  # noqa: B006
                made[0] += 1
                if made[0] > last:
                    raise KeyboardInterrupt
                return loss_of(rng)

            try:
                run_stage(tagger, limited, schedule, folder, say=lambda line: None)
            except KeyboardInterrupt:
                continue
        return torch.cat([p.detach().flatten() for p in tagger.parameters()])

    whole = train(tmp_path / "a", [4])
    halved = train(tmp_path / "b", [3, 4])  # interrupted after step 3: goes on from step 2
    torch.testing.assert_close(whole, halved, atol=1e-6, rtol=0)


def test_the_tokenizer_is_the_shipped_one():
    built = build_tokenizer(tokenizer_corpus(), vocabulary=896)
    shipped = json.loads((MODEL / "tokenizer.json").read_text(encoding="utf-8"))
    assert json.loads(built.backend_tokenizer.to_str())["model"] == shipped["model"]


def test_steps_that_are_drilled_follow_from_their_transcript():
    rng, kinds = np.random.default_rng(4), Counter()
    for _ in range(400):
        lists, rest = step_drill(rng)
        heard = lists.split("Heard: ")[1].removesuffix(".").split(", ")
        step = r"([a-z ]+) (first|second|third), ([a-z ]+) (?:first|second|third): ([a-z ]+)"
        for one, place, two, answer in re.findall(step, rest):
            named = heard.index(one.strip()), heard.index(two.strip())
            assert ("first", "second", "third")[named[0]] == place
            assert heard.index(answer) == min(named)
            kinds["earlier"] += 1
        values = [
            NUMBERS.index(event.split()[-1]) for event in heard if event.split()[-1] in NUMBERS
        ]
        for one, two, total in re.findall(r"(\d+) \+ (\d+) = (\d+)", rest):
            assert [int(one), int(two)] == values and int(total) == sum(values)
            kinds["sum"] += 1
        for one, sign, two in re.findall(r"(\d+) ([<>]) (\d+)", rest):
            assert [int(two), int(one)] == values and (sign == ">") == (values[1] > values[0])
            kinds["larger"] += 1
        if "man" in heard[0] and not values:
            voices = {" ".join(event.split()[:2]) for event in heard}
            assert rest.endswith(f": {NUMBERS[len(voices)]}.</think>")
            kinds["speakers"] += 1
    assert len(kinds) == 4 and min(kinds.values()) > 20, kinds


def test_what_a_drill_states_follows_from_what_it_says_was_heard():
    rng, walked = np.random.default_rng(2), 0
    for _ in range(400):
        lists, rest = drill(rng)
        heard = lists.split("Heard: ")[1].removesuffix(".").split(", ")
        assert all(answer in heard for answer in re.findall("<answer>(.*)</answer>", rest))
        for name, verdict in re.findall(r"([a-z0-9 ]+) (heard|missing)(?=[,.])", rest):
            assert (name.strip() in heard) == (verdict == "heard"), (lists, rest)
            walked += 1
        for one, two, total in re.findall(r"(\d+) \+ (\d+) = (\d+)", rest):
            assert int(one) + int(two) == int(total)
    assert walked > 400


def test_only_prompt_3_is_answered_with_a_thought_and_not_always():
    rng = np.random.default_rng(3)
    scenes = [draw(rng, TRAINING) for _ in range(300)]
    teacher, thinks, planned = Teacher(scenes), {"plain": [], "<think>": []}, []

    def often(kind: str) -> float:
        planned.append(how_often_it_thinks(kind))
        return planned[-1]

    for scene in scenes * 4:
        asked, said = teacher.instruct(scene, rng, often)
        thinks["<think>" if "<think> </think>" in asked else "plain"].append("<think>" in said)
    assert not any(thinks["plain"]) and len(planned) == len(thinks["<think>"]) > 200
    assert set(planned) == {0.05, 0.65}
    assert abs(np.mean(thinks["<think>"]) - np.mean(planned)) < 0.08


def test_frame_targets_mark_what_sounds_when():
    note = Event("note", "tuba", 1.0, seconds=0.4, pitch=40, gain_db=-8.0)
    word = Event("word", "river", 0.2, voice="man 2")
    scene = Scene("made", 2.0, (word, note), snr_db=90.0, level_db=0.0, reverb_seconds=0.0, seed=3)
    targets = frame_targets(scene, load_bank(), frames=2 * FRAME_RATE)
    length = len(event_wave(word, load_bank())) / SAMPLE_RATE
    last = int(np.ceil((0.2 + length) * FRAME_RATE))
    expected = {name: list(range(5, last)) for name in ("river", "man 2", "loud")}
    expected |= {name: list(range(25, 35)) for name in ("tuba", "pitch 40", "soft")}
    expected["onset"] = [5, 25]
    for name, column in COLUMNS.items():
        assert np.flatnonzero(targets[:, column]).tolist() == expected.get(name, []), name


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx2": True, "avx512_bf16": True}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, torch.float32),
    ],
)
def test_bfloat16_only_where_the_processor_has_it(capabilities, dtype, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    layer, seen = torch.nn.Linear(2, 1), []
    layers = torch.nn.ModuleDict({"layers": torch.nn.ModuleList([layer])})
    model = torch.nn.ModuleDict({"text": layers})

    def loss_of(rng):
        out = layer(torch.ones(1, 2))
        seen.append(out.dtype)
        return out.float().sum()

    run_stage(model, loss_of, Schedule(1, 1, 1e-3, 0), tmp_path, say=lambda line: None)
    assert seen == [dtype]


def test_an_orthogonal_update_has_singular_values_near_one():
    torch.manual_seed(0)
    for shape in [(8, 8), (24, 8), (8, 24)]:
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.3 and values.max() < 1.3


def test_attributes_come_up_alike_often():
    rng = np.random.default_rng(1)
    scenes = [draw(rng, TRAINING) for _ in range(600)]
    weights = encoder.attribute_weights(scenes)
    drawn = rng.choice(len(scenes), 6000, p=weights / weights.sum())
    counts = Counter(name for i in drawn for name in encoder.attributes(scenes[i]) or ["none"])
    assert set(counts) == {*encoder.ATTRIBUTES, "none"}
    assert max(counts.values()) < 1.3 * min(counts.values()), counts


@pytest.mark.slow
def test_two_runs_make_the_same_weights(tmp_path, monkeypatch):
    """A few steps of every stage up to the base, on a few clips: equal to the bit."""

    def few(folder, size, *rest, **options):
        return build_pool(folder, min(size, 40), *rest, **options)

    monkeypatch.setattr(pretrain_tiny, "build_pool", few)
    found = pretrain_tiny.trial(tmp_path, steps=2)
    stages = ["encoder", "attributes", "drills", "hearing", "instruct"]
    assert found["differ"] == dict.fromkeys(stages, 0.0)
    assert len(found["minutes"]) == 2 and min(found["minutes"]) > 0
    states = [torch.load(tmp_path / "one" / name / "state.pt") for name in ("drills", "instruct")]
    weights = [state["module"]["lm_head.weight"] for state in states]
    assert not torch.equal(*weights)  # or nothing was trained
