"""AVQA's annotations to R1-AQA's lines: nothing is dropped without being told."""

import json
from pathlib import Path

import numpy as np
import pytest

from r1aqa_helpers.audio import save_audio
from r1aqa_helpers.errors import UserError
from r1aqa_helpers.questions import read_avqa
from r1aqa_helpers.questions.avqa import clip_names, convert_avqa, convert_row

ROW = {
    "id": 183,
    "video_name": "-HG3Omg_89c_000030",
    "video_id": 341,
    "question_text": "What happened in the video?",
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
    (folder / "folder_3.wav").mkdir()
    return folder


def annotations(folder: Path, *rows) -> Path:
    path = folder / "train_qa.json"
    path.write_text(json.dumps(rows))
    return path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_r1_aqas(tmp_path, clips):
    out = tmp_path / "data" / "train.jsonl"
    done = convert_avqa(annotations(tmp_path, ROW), clips, out)
    expected = ROW | {
        "question_text": "What happened in the audio?",
        "dataset_name": "AVQA",
        "audio_path": "clips/-HG3Omg_89c_30.wav",
    }
    assert lines(out) == [expected]
    assert (done.questions, done.clips, done.left_out) == (1, 1, ())
    assert lines(done.list_file) == []
    [question] = read_avqa(out)
    assert question.audio == clips / "-HG3Omg_89c_30.wav" and question.audio.is_file()
    assert question.answer == "a sailing boat"


def test_clips_elsewhere_get_absolute_paths(tmp_path, clips):
    out = tmp_path / "elsewhere" / "train.jsonl"
    convert_avqa(annotations(tmp_path, ROW), clips, out)
    assert lines(out)[0]["audio_path"] == str(clips / "-HG3Omg_89c_30.wav")
    assert read_avqa(out)[0].audio.is_file()


def test_names_of_clips():
    assert clip_names("-HG3Omg_89c_000030")[:2] == (
        "-HG3Omg_89c_30.wav",
        "-HG3Omg_89c_000030.wav",
    )
    assert clip_names("ab_cd_000000")[0] == "ab_cd_0.wav"
    assert clip_names("ab_30")[:2] == ("ab_30.wav", "ab_30.flac")
    assert clip_names("plain")[0] == "plain.wav"


def test_names_as_annotated_and_other_formats_are_found(tmp_path, clips):
    rows = [
        ROW | {"id": 1, "video_name": "as_annotated_000007"},
        ROW | {"id": 2, "video_name": "other_000012"},
    ]
    out = tmp_path / "data" / "train.jsonl"
    assert convert_avqa(annotations(tmp_path, *rows), clips, out).questions == 2
    names = [Path(line["audio_path"]).name for line in lines(out)]
    assert names == ["as_annotated_000007.wav", "other_12.flac"]


def test_only_the_word_video_changes():
    row = convert_row(ROW | {"question_text": "Which videos? Is the video loud?"}, "a.wav")
    assert row["question_text"] == "Which audios? Is the audio loud?"
    assert row["video_name"] == ROW["video_name"]


LEFT_OUT = {
    "missing": (ROW | {"video_name": "gone_000001"}, "missing", "no 'gone_1.wav'"),
    "a folder": (ROW | {"video_name": "folder_000003"}, "missing", "no 'folder_3.wav'"),
    "outside": (ROW | {"video_name": "../clips/-HG3Omg_89c_000030"}, "missing", "no '../clips"),
    "cut off": (ROW | {"video_name": "cut_000001"}, "broken", "'cut_1.wav' is damaged"),
    "no sound": (ROW | {"video_name": "text_000002"}, "broken", "'text_2.wav' is no audio"),
    "index": (ROW | {"answer": 4}, "faulty", "4 is no index into the 4 choices"),
    "id twice": (ROW, "faulty", "field id: 183 already stands in item 0"),
    "no name": ({"id": 5}, "faulty", "field video_name: is None"),
    "name number": (ROW | {"video_name": 5}, "faulty", "field video_name: is 5"),
    "no question": (ROW | {"question_text": " "}, "faulty", "field question_text: is ' '"),
    "no object": ([1], "faulty", "holds a JSON list"),
}


@pytest.mark.parametrize("row, kind, reason", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_left_out_is_told(tmp_path, clips, row, kind, reason):
    if reason.startswith(("no ", "'")) and isinstance(row, dict):
        row = row | {"id": 7}
    out = tmp_path / "data" / "train.jsonl"
    done = convert_avqa(annotations(tmp_path, ROW, row, ROW | {"id": 9}), clips, out)
    assert [line["id"] for line in lines(out)] == [183, 9]
    [left_out] = done.left_out
    assert left_out.kind == kind and reason in left_out.reason
    assert done.counts == {"missing": 0, "broken": 0, "faulty": 0} | {kind: 1}
    told = row if isinstance(row, dict) else {}
    assert lines(done.list_file) == [
        {
            "id": told.get("id"),
            "video_name": told.get("video_name"),
            "kind": kind,
            "reason": left_out.reason,
        }
    ]


def test_a_clip_that_several_questions_share_is_decoded_once(tmp_path, clips, monkeypatch):
    import r1aqa_helpers.questions.avqa as module

    decoded = []
    load = module.load_audio
    monkeypatch.setattr(module, "load_audio", lambda p: decoded.append(p) or load(p))
    rows = [ROW | {"id": number} for number in range(3)]
    done = convert_avqa(annotations(tmp_path, *rows), clips, tmp_path / "data" / "t.jsonl")
    assert len(decoded) == 1 and (done.questions, done.clips) == (3, 1)


def test_nothing_to_convert_is_an_error_and_leaves_the_old_file(tmp_path, clips):
    out = tmp_path / "data" / "train.jsonl"
    out.write_text("old")
    path = annotations(tmp_path, ROW | {"video_name": "gone_000001"})
    with pytest.raises(UserError, match=r"none of its 1 questions .* the first: missing, no 'gone"):
        convert_avqa(path, clips, out)
    with pytest.raises(UserError, match="none of its 0 questions"):
        convert_avqa(annotations(tmp_path), clips, out)
    path.write_text('{"a": 1}')
    with pytest.raises(UserError, match="holds a JSON object; AVQA's annotations are a list"):
        convert_avqa(path, clips, out)
    with pytest.raises(UserError, match="no such folder"):
        convert_avqa(annotations(tmp_path, ROW), clips / "no", out)
    assert out.read_text() == "old"
    assert [p.name for p in out.parent.iterdir() if p.name != "clips"] == ["train.jsonl"]
