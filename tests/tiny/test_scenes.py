"""Recipes say what sounds; renderings are what recipes say, the same on every run."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from r1aqa_helpers.data.audio import SAMPLE_RATE
from r1aqa_helpers.tiny import scene_families
from r1aqa_helpers.tiny.scene_families import FAMILIES, TESTING, TRAINING, SplitConfig
from r1aqa_helpers.tiny.scenes import EVENT_RMS, Event, Scene, event_wave, render
from r1aqa_helpers.tiny.sounds import SYNTHS, load_bank

ALL_FAMILIES: list[Callable[..., Scene]] = [f for table in FAMILIES.values() for f in table]
DRAWS = 30


def drawn(family: Callable[..., Scene], config: SplitConfig, seed: int = 0) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [family(rng, config) for _ in range(DRAWS)]


def one_of_each() -> list[Scene]:
    return [family(np.random.default_rng(5), TRAINING) for family in ALL_FAMILIES]


def digest(scenes):
    waves = b"".join(render(scene, load_bank()).tobytes() for scene in scenes)
    return hashlib.sha256(waves).hexdigest()


def still(*events: Event, **about) -> Scene:
    """A scene of two seconds, without reverberation, 90 dB above its noise."""
    around = {"snr_db": 90.0, "level_db": 0.0, "reverb_seconds": 0.0, "seed": 3, **about}
    return Scene(family="made", seconds=2.0, events=events, **around)


def rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


# --- recipes -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_recipes_survive_json_and_depend_on_the_seed_alone(family):
    scenes = drawn(family, TRAINING)
    assert drawn(family, TRAINING) == scenes != drawn(family, TRAINING, seed=1)
    assert [Scene.from_dict(json.loads(json.dumps(s.as_dict()))) for s in scenes] == scenes
    assert all(event.keys() < vars(Event("", "", 0.0)).keys()  # default values are left out
               for scene in scenes for event in scene.as_dict()["events"])  # fmt: skip


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("config", [TRAINING, TESTING], ids=["training", "testing"])
def test_drawn_scenes_keep_the_rules(family, config):
    for scene in drawn(family, config):
        assert scene.family == family.__name__
        assert 2.0 <= scene.seconds <= 4.0
        assert all(0 <= e.start < scene.seconds - 0.1 for e in scene.events), scene
        assert [e.start for e in scene.events] == sorted(e.start for e in scene.events)
        assert {e.take for e in scene.events if e.kind != "synth"} <= set(config.takes)
        (low, high), longest = scene_families.CONDITIONS[scene.facts["difficulty"]]
        assert low <= scene.snr_db <= high and 0 <= scene.reverb_seconds <= longest
        assert -18 <= scene.level_db <= -1


@pytest.mark.parametrize("name", SYNTHS)
def test_sources_depend_on_the_seed_alone(name):
    first, again, other = (SYNTHS[name](np.random.default_rng(s), 1.0) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert 0.05 * SAMPLE_RATE < len(first) <= SAMPLE_RATE and 0.1 < np.abs(first).max() < 4


# --- renderings ----------------------------------------------------------------------------


def test_format_and_peak():
    for scene in one_of_each():
        wave = render(scene, load_bank())
        assert wave.dtype == np.float32 and wave.shape == (round(scene.seconds * SAMPLE_RATE),)
        assert 20 * np.log10(np.abs(wave).max()) == pytest.approx(scene.level_db, abs=0.01)


def test_noise_stands_snr_below_a_full_event():
    scene = still(Event("synth", "buzzer", 0.5, seconds=0.8, seed=1), snr_db=20.0)
    wave = render(scene, load_bank())
    noise, event = rms(wave[: SAMPLE_RATE // 3]), rms(wave[12_000:20_000])
    assert 20 * np.log10(event / noise) == pytest.approx(20, abs=0.5)


def test_events_start_at_their_time_and_gain_is_in_decibels():
    loud = Event("synth", "beep", 0.25, seconds=0.2, seed=1)
    soft = replace(loud, start=1.25, gain_db=-12.0)
    wave = render(still(loud, soft), load_bank())
    heard = np.flatnonzero(np.abs(wave) > 0.01) / SAMPLE_RATE
    assert heard[0] == pytest.approx(0.25, abs=0.005)
    assert heard[heard > 1][0] == pytest.approx(1.25, abs=0.005)
    ratio = rms(wave[4000:7000]) / rms(wave[20_000:23_000])
    assert 20 * np.log10(ratio) == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize(
    "event",
    [
        Event("synth", "wind", 0.0, seconds=1.0, seed=2),
        Event("effect", "bird", 0.0, seconds=2.0, take=1),
        Event("note", "tuba", 0.0, seconds=0.4, pitch=40),
        Event("word", "river", 0.0, voice="man 2", take=2),
    ],
    ids=lambda e: e.kind,
)
def test_every_kind_is_as_loud_while_it_sounds(event):
    wave = event_wave(event, load_bank())
    sounding = wave[np.abs(wave) > 0.05 * np.abs(wave).max()]
    assert rms(sounding) == pytest.approx(EVENT_RMS, rel=0.01)
    if event.seconds:
        assert len(wave) == round(event.seconds * SAMPLE_RATE)


def test_notes_between_the_recorded_ones_are_moved():
    """An octave up is twice the frequency, also where no take has the pitch."""

    def strongest(pitch: int) -> float:
        note = event_wave(Event("note", "flute", 0.0, seconds=0.5, pitch=pitch), load_bank())
        spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), 2**16))
        return float(np.argmax(spectrum)) * SAMPLE_RATE / 2**16

    recorded = {t.pitch for t in load_bank().takes("note", "flute")}
    assert 66 not in recorded and 66 + 7 not in recorded
    for pitch in (66, 73):
        assert 12 * np.log2(strongest(pitch) / 440) + 69 == pytest.approx(pitch, abs=0.4)


def test_room_echoes_and_falls_silent():
    beep = Event("synth", "beep", 0.1, seconds=0.2, seed=1)
    dry = render(still(beep), load_bank())
    wet = render(still(beep, reverb_seconds=0.4), load_bank())
    after = slice(int(0.35 * SAMPLE_RATE), int(0.45 * SAMPLE_RATE))
    late = slice(int(0.95 * SAMPLE_RATE), int(1.1 * SAMPLE_RATE))
    assert rms(wet[after]) > 30 * rms(dry[after])
    assert rms(wet[late]) < rms(wet[after]) / 100


@pytest.mark.slow
def test_render_is_the_same_in_another_process():
    program = (
        f"import sys; sys.path.insert(0, {str(__file__.rpartition('/')[0])!r})\n"
        "import test_scenes; print(test_scenes.digest(test_scenes.one_of_each()))"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == digest(one_of_each())
