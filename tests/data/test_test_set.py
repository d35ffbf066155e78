"""Which set of questions it is: by content, and by what was fetched of a release."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from r1aqa_helpers.data import QuestionSet, identify, one_set, read_questions, write_mmau
from r1aqa_helpers.data.mmau.releases import RELEASES, content_hash
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash, read_json, write_json


@pytest.fixture
def asked(make_questions):
    return read_questions(make_questions(6)[1])


@pytest.fixture
def release(asked, monkeypatch):
    """As if the six questions were v1."""
    ids = json.dumps(sorted(q.id for q in asked)).encode()
    monkeypatch.setitem(RELEASES, "v1", (hashlib.sha256(ids).hexdigest(), content_hash(asked)))
    return asked


def test_what_a_model_does_not_see_changes_one_hash_only(asked):
    plain = identify(asked, "a.json")
    hidden = identify([replace(q, answer=None) for q in asked], "a.json")
    assert hidden.asked_sha256 == plain.asked_sha256 and hidden.sha256 != plain.sha256
    for change in ({"question": "Why?"}, {"id": "other"}, {"choices": ("dog", "cow")}):
        other = identify([replace(asked[0], **change), *asked[1:]], "a.json")
        assert other.sha256 != plain.sha256 and other.asked_sha256 != plain.asked_sha256
    moved = [replace(q, audio=Path("elsewhere.wav"), task="music") for q in reversed(asked)]
    assert identify(moved, "b.json") == replace(plain, name="b")


def test_a_release_is_known_by_its_content(release):
    found = identify(release, "any name.json")
    assert (found.name, found.release, found.whole) == ("mmau-test-mini-v1", "v1", True)
    assert found.text == (
        f"mmau-test-mini-v1: 6 questions, MMAU test-mini v1, sha256 {found.sha256[:12]}"
    )
    found = identify([replace(release[0], question="Why?"), *release[1:]], "x.json")
    assert (found.release, found.whole) == ("v1", False)
    assert "MMAU test-mini v1 in part or changed" in found.text
    assert identify(release[1:], "x.json").release is None


def test_of_a_part_that_was_fetched_source_json_says_the_release(asked, tmp_path):
    path = tmp_path / "mmau-test-mini-v1.json"
    write_mmau(path, asked)
    source = {"version": "v1", "questions": path.name, "sha256": file_hash(path)}
    write_json(tmp_path / "source.json", source)
    found = identify(asked, path)
    assert (found.name, found.release, found.whole) == ("mmau-test-mini-v1", "v1", False)
    assert identify(asked, tmp_path / "other.json").release is None
    for changes in ({"version": ["v1"]}, {"sha256": "0"}, {"questions": "../x.json"}):
        write_json(tmp_path / "source.json", source | changes)
        assert identify(asked, path).release is None


def test_a_set_goes_through_json_and_nothing_else_is_taken_for_one(asked, tmp_path):
    found = identify(asked, "a.json")
    write_json(tmp_path / "set.json", found.as_dict())
    assert QuestionSet.from_dict(read_json(tmp_path / "set.json")) == found
    for wrong in (None, {}, found.as_dict() | {"sha256": 3}):
        with pytest.raises(UserError, match="test_set: .* is no set of questions"):
            QuestionSet.from_dict(wrong)


def test_results_of_two_sets_are_not_put_together():
    one_set([("a", "1" * 64), ("b", None), ("c", "1" * 64)])
    with pytest.raises(
        UserError, match=r"'a' and 'c': .* \(sha256 111111111111 and 222222222222\)"
    ):
        one_set([("a", "1" * 64), ("b", None), ("c", "2" * 64)])
    with pytest.raises(UserError, match="measured on different questions"):
        one_set([("a", "1" * 64), ("b", 7)])
