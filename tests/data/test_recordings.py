"""What identifies a recording, and which are known to be sound; both again where a file changed."""

import os
from dataclasses import replace

import numpy as np
import pytest

from r1aqa_helpers.data import AudioQuestion, recordings
from r1aqa_helpers.data.audio import read_audio, save_audio
from r1aqa_helpers.data.recordings import check_recordings
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"first")
    return AudioQuestion("q", path, "What?", ("a", "b"), "a")


@pytest.fixture
def hashed(monkeypatch):
    """The files that were read for their digest; all of them are taken for old."""
    paths = []
    monkeypatch.setattr(recordings, "file_hash", lambda path: paths.append(path) or file_hash(path))
    monkeypatch.setattr(recordings, "_SETTLED", -1e9)
    return paths


def test_a_file_is_hashed_again_only_where_it_changed(question, hashed):
    first = recordings.recording_digests([question])
    assert recordings.recording_digests([question]) == first and len(hashed) == 1
    question.audio.write_bytes(b"second!")
    assert recordings.recording_digests([question]) != first and len(hashed) == 2


def test_a_file_that_was_put_in_the_place_of_another_is_hashed_again(question, hashed):
    """Of the same size, and with the other's time."""
    first = recordings.recording_digests([question])
    held = question.audio.stat()
    other = question.audio.with_name("other.wav")
    other.write_bytes(b"other")
    os.utime(other, ns=(held.st_atime_ns, held.st_mtime_ns))
    other.replace(question.audio)
    assert recordings.recording_digests([question]) != first


def test_a_file_that_has_just_changed_may_change_again_in_the_same_instant(question, monkeypatch):
    held = question.audio.stat()
    monkeypatch.setattr(type(question.audio), "stat", lambda path, **_: held)  # a coarse clock
    first = recordings.recording_digests([question])
    question.audio.write_bytes(b"again")
    assert recordings.recording_digests([question]) != first


def test_a_file_that_is_gone_is_not_remembered(question, hashed):
    kept = question.audio.with_name("kept.wav")
    kept.write_bytes(b"other")
    other = AudioQuestion("r", kept, "What?", ("a", "b"), "a")
    assert len(recordings.recording_digests([question, other])) == 2
    question.audio.unlink()
    with pytest.warns(UserWarning, match="1 of 2 recordings cannot be used"):
        assert recordings.recording_digests([question, other]).keys() == {kept}


@pytest.fixture
def decoded(tmp_path, monkeypatch):
    """The files that were decoded; what is known to be sound is kept in a folder of the test's."""
    paths = []
    monkeypatch.setattr(
        recordings, "read_audio", lambda path: paths.append(path) or read_audio(path)
    )
    monkeypatch.setattr(recordings, "cached_assets_path", lambda *_: tmp_path)
    return paths


def test_a_sound_recording_is_decoded_once_wherever_it_is(question, decoded, tmp_path):
    save_audio(question.audio, np.linspace(-0.5, 0.5, 1600, dtype=np.float32))
    assert check_recordings([question]) == check_recordings([question]) == [question]
    moved = question.audio.rename(tmp_path / "moved.wav")
    check_recordings([replace(question, audio=moved)])
    assert decoded == [question.audio]
    moved.write_bytes(b"no audio")
    with pytest.raises(UserError, match=r"1 of 1 recordings cannot be used: .*moved\.wav"):
        check_recordings([replace(question, audio=moved)])


def test_what_is_amiss_with_a_recording_is_said_each_time(question, decoded):
    save_audio(question.audio, np.zeros(1600, np.float32))
    for _ in range(2):
        with pytest.warns(UserWarning, match="clip.wav: is silent"):
            check_recordings([question])
    assert len(decoded) == 2


def test_recordings_are_checked_where_nothing_can_be_remembered(
    question, decoded, tmp_path, monkeypatch
):
    monkeypatch.setattr(recordings, "cached_assets_path", lambda *_: tmp_path / "not there")
    save_audio(question.audio, np.linspace(-0.5, 0.5, 1600, dtype=np.float32))
    assert check_recordings([question]) == [question]
