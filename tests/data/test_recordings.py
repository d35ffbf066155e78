"""What identifies a recording is read once in a process, and again where the file changed."""

import pytest

from r1aqa_helpers.data import AudioQuestion, recordings
from r1aqa_helpers.utils.io import file_hash


@pytest.fixture
def question(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"first")
    return AudioQuestion("q", path, "What?", ("a", "b"), "a")


def test_a_file_is_hashed_again_only_where_it_changed(question, monkeypatch):
    hashed = []
    monkeypatch.setattr(
        recordings, "file_hash", lambda path: hashed.append(path) or file_hash(path)
    )
    first = recordings.recording_digests([question])
    assert recordings.recording_digests([question]) == first and len(hashed) == 1
    question.audio.write_bytes(b"second!")
    assert recordings.recording_digests([question]) != first and len(hashed) == 2


def test_a_file_that_is_gone_is_not_remembered(question):
    kept = question.audio.with_name("kept.wav")
    kept.write_bytes(b"other")
    other = AudioQuestion("r", kept, "What?", ("a", "b"), "a")
    assert len(recordings.recording_digests([question, other])) == 2
    question.audio.unlink()
    with pytest.warns(UserWarning, match="1 of 2 recordings cannot be used"):
        assert recordings.recording_digests([question, other]).keys() == {kept}
