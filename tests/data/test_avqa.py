"""AVQA's annotations to R1-AQA's lines: each rejected row is listed."""

import json
from pathlib import Path

import numpy as np
import pytest

from r1aqa_helpers.data import avqa, read_avqa
from r1aqa_helpers.data.audio import save_audio
from r1aqa_helpers.data.avqa import clip_names, convert_avqa
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log

ROW = {
    "id": 183,
    "video_name": "-HG3Omg_89c_000030",
    "video_id": 341,
    "question_text": "Which videos? What happened in the video?",
    "multi_choice": ["a motorboat", "a sailing boat", "a parade", "a car"],
    "answer": 1,
    "question_relation": "View",
    "question_type": "Happening",
}


@pytest.fixture
def clips(tmp_path) -> Path:
    folder = tmp_path / "data" / "clips"
    wave = (0.1 * np.sin(np.arange(1600) / 5)).astype(np.float32)
    for name in ("-HG3Omg_89c_30.wav", "as_annotated_000007.wav", "other_12.flac"):
        save_audio(folder / name, wave)
    (folder / "cut_1.wav").write_bytes((folder / "-HG3Omg_89c_30.wav").read_bytes()[:500])
    (folder / "text_2.wav").write_text("no sound")
    return folder


def annotations(folder: Path, *rows) -> Path:
    path = folder / "train_qa.json"
    path.write_text(json.dumps(rows))
    return path


def test_a_line_is_r1_aqas(tmp_path, clips):
    out = tmp_path / "data" / "train.jsonl"
    done = convert_avqa(annotations(tmp_path, ROW), clips, out)
    asked = {"question_text": "Which audios? What happened in the audio?", "dataset_name": "AVQA"}
    assert read_log(out) == [ROW | asked | {"audio_path": "clips/-HG3Omg_89c_30.wav"}]
    assert (done.questions, done.clips, done.left_out) == (1, 1, ())
    assert done.list_file.read_text() == ""
    [question] = read_avqa(out)
    assert question.audio.is_file() and question.answer == "a sailing boat"
    elsewhere = tmp_path / "elsewhere" / "train.jsonl"
    convert_avqa(annotations(tmp_path, ROW), clips, elsewhere)
    assert read_log(elsewhere)[0]["audio_path"] == str(clips / "-HG3Omg_89c_30.wav")


def test_names_of_clips(tmp_path, clips):
    rows = [ROW | {"id": n, "video_name": name} for n, name in
            enumerate(("as_annotated_000007", "other_000012"))]  # fmt: skip
    out = tmp_path / "data" / "train.jsonl"
    convert_avqa(annotations(tmp_path, *rows), clips, out)
    found = [Path(line["audio_path"]).name for line in read_log(out)]
    assert found == ["as_annotated_000007.wav", "other_12.flac"]


@pytest.mark.parametrize("suffix", [".WAV", ".opus", ".m4a", ".Mp3", ".webm"])
def test_a_clip_is_found_whatever_its_ending(tmp_path, clips, suffix):
    (clips / "-HG3Omg_89c_30.wav").rename(clips / f"-HG3Omg_89c_30{suffix}")
    done = convert_avqa(annotations(tmp_path, ROW), clips, tmp_path / "data" / "train.jsonl")
    assert read_log(done.file)[0]["audio_path"] == f"clips/-HG3Omg_89c_30{suffix}"


def test_what_is_no_recording_is_no_clip(tmp_path, clips):
    (clips / "gone_1.json").write_text("{}")
    rows = (ROW, ROW | {"id": 1, "video_name": "gone_000001"})
    done = convert_avqa(annotations(tmp_path, *rows), clips, tmp_path / "data" / "train.jsonl")
    assert done.counts["missing"] == 1


@pytest.mark.parametrize(
    ("video", "stem"),
    [("a_b_000030", "a_b_30"), ("a_000000", "a_0"), ("_30", "_30"), ("a_", "a_"), ("a_3x", "a_3x")],
)
def test_the_second_loses_its_leading_zeros(video, stem):
    assert clip_names(video)[0] == f"{stem}.wav"


LEFT_OUT = [
    (ROW | {"video_name": "gone_000001"}, "missing", "no 'gone_1.wav'"),
    (ROW | {"video_name": "../clips/-HG3Omg_89c_000030"}, "missing", "no '../clips"),
    (ROW | {"video_name": "cut_000001"}, "broken", "'cut_1.wav' is damaged"),
    (ROW | {"video_name": "text_000002"}, "broken", "'text_2.wav' is no audio"),
    (ROW | {"id": 7, "answer": 4}, "faulty", "field answer"),
    (ROW, "faulty", "field id: 183 already stands in item 0"),
    (ROW | {"video_name": "long_" + "1" * 5000}, "missing", "no 'long_111"),
    (ROW | {"video_name": 5}, "faulty", "field video_name"),
    (ROW | {"question_text": " "}, "faulty", "field question_text"),
    ([1], "faulty", "holds a JSON list"),
]


def test_what_is_left_out_is_listed(tmp_path, clips):
    out = tmp_path / "data" / "train.jsonl"
    rows = [row for row, _, _ in LEFT_OUT]
    done = convert_avqa(annotations(tmp_path, ROW, *rows, ROW | {"id": 9}), clips, out)
    assert [line["id"] for line in read_log(out)] == [183, 9]
    for each, (_, kind, reason) in zip(done.left_out, LEFT_OUT, strict=True):
        assert each.kind == kind and reason in each.reason
    assert done.counts == {"missing": 3, "broken": 2, "faulty": 5}
    listed = read_log(done.list_file)
    assert listed == [vars(each) for each in done.left_out]
    assert (listed[0]["place"], listed[0]["name"]) == ("item 1", "gone_000001")
    assert listed[-1]["name"] is None


def test_a_clip_that_several_questions_share_is_decoded_once(tmp_path, clips, monkeypatch):
    decoded, load = [], avqa.load_audio
    monkeypatch.setattr(avqa, "load_audio", lambda p: decoded.append(p) or load(p))
    rows = [ROW | {"id": number} for number in range(3)]
    done = convert_avqa(annotations(tmp_path, *rows), clips, tmp_path / "data" / "t.jsonl")
    assert len(decoded) == 1 and (done.questions, done.clips) == (3, 1)


def test_nothing_to_convert_is_an_error_and_leaves_the_old_file(tmp_path, clips):
    out = tmp_path / "data" / "train.jsonl"
    out.write_text("old")
    path = annotations(tmp_path, ROW | {"video_name": "gone_000001"})
    with pytest.raises(UserError, match=r"none of its 1 questions .* the first: missing, no 'gone"):
        convert_avqa(path, clips, out)
    path.write_text('{"a": 1}')
    with pytest.raises(UserError, match="holds a JSON object; AVQA's annotations are a list"):
        convert_avqa(path, clips, out)
    with pytest.raises(UserError, match="no such folder"):
        convert_avqa(annotations(tmp_path, ROW), clips / "no", out)
    assert out.read_text() == "old"
    assert [p.name for p in out.parent.iterdir() if p.name != "clips"] == ["train.jsonl"]
