"""Uploading: what is looked at first, what is sent, what is never shown. No network."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.models import hub as pushing
from r1aqa_helpers.models import push
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY

TOKEN = "hf_" + "s3cretS3cret" * 3
FILES = {
    "README.md", "chat_template.jinja", "config.json", "generation_config.json",
    "model.safetensors", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip


class FakeHub:
    """Takes down what is asked of it."""

    def __init__(self, private: bool = True, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, dict]] = []
        self._private, self._error = private, error

    def create_repo(self, repo_id: str, **fields) -> str:
        self.calls.append(("create_repo", {"repo_id": repo_id, **fields}))
        return f"https://hub.example/{repo_id}"

    def repo_info(self, repo_id: str, **fields):
        return SimpleNamespace(private=self._private)

    def upload_folder(self, **fields) -> None:
        self.calls.append(("upload_folder", fields))
        if self._error:
            raise self._error


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub()
    monkeypatch.setattr(pushing, "HfApi", lambda: fake)
    monkeypatch.setattr(pushing, "get_token", lambda: TOKEN)
    return fake


def run(*arguments: object):
    return CliRunner().invoke(app, ["push", *map(str, arguments)])


def test_a_dry_run_lists_and_sends_nothing(folder, hub, monkeypatch):
    monkeypatch.setattr(pushing, "HfApi", None)
    monkeypatch.setattr(pushing, "get_token", None)
    (folder / "notes.csv").write_text("mine")
    (folder / "pytorch_model.bin").write_bytes(b"x")
    (folder / "old").mkdir()
    (folder / "old" / "optimizer.pt").write_bytes(b"x")
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    result = run(folder, "--repo", "me/model", "--dry-run")
    assert result.exit_code == 0, result.output
    for name in FILES:
        assert name in result.stdout
    for name in ("pytorch_model.bin", "old/optimizer.pt", "notes.csv"):
        assert f"left out: {name}" in result.stdout
    assert "dry run: nothing was sent to me/model" in result.stdout
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_push_sends_the_listed_files_and_never_shows_the_token(folder, hub):
    (folder / "notes.csv").write_text("mine")
    result = run(folder, "--repo", "me/model", "--private")
    assert result.exit_code == 0, result.output
    (made, create), (sent, upload) = hub.calls
    assert (made, create["repo_id"], create["private"]) == ("create_repo", "me/model", True)
    assert create["exist_ok"] is True
    assert sent == "upload_folder" and upload["folder_path"] == folder
    assert set(upload["allow_patterns"]) == FILES and upload["repo_id"] == "me/model"
    assert not any("token" in fields for _, fields in hub.calls)
    assert result.stdout.splitlines()[-1] == "https://hub.example/me/model"
    assert TOKEN not in result.output


def test_what_the_hub_refuses_is_one_line_without_the_token(folder, hub):
    hub._error = OSError(f"403 Forbidden for {TOKEN}\nmore of it")
    result = run(folder, "--repo", "me/model")
    assert result.exit_code == 1 and TOKEN not in result.output
    assert "403 Forbidden for …" in result.stderr and len(result.stderr.splitlines()) == 1


def test_without_a_token_nothing_is_sent(folder, hub, monkeypatch):
    monkeypatch.setattr(pushing, "get_token", lambda: None)
    with pytest.raises(UserError, match="no access token"):
        push(folder, "me/model", say=lambda _: None)
    assert hub.calls == []


def test_private_never_goes_to_a_public_repository(folder, hub):
    hub._private = False
    with pytest.raises(UserError, match="public"):
        push(folder, "me/model", private=True, say=lambda _: None)
    assert [name for name, _ in hub.calls] == ["create_repo"]


def _link(folder: Path) -> None:
    (folder / "LICENSE").symlink_to(TINY / "checksums.json")


def _as_adapter(folder: Path) -> None:
    (folder / "config.json").unlink()
    weights = {"base_model.model.x.lora_A.weight": torch.ones(1)}
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "model.safetensors").unlink()
    config = {"peft_type": "LORA", "base_model_name_or_path": str(folder)}
    (folder / "adapter_config.json").write_text(json.dumps(config))


REFUSED = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors"),
    "torn weights": (
        lambda f: (f / "model.safetensors").write_bytes(b"\x10" + bytes(20)),
        "missing or truncated",
    ),
    "no card": (lambda f: (f / "README.md").unlink(), "is no model card"),
    "card without YAML": (lambda f: (f / "README.md").write_text("# hm"), "is no model card"),
    "no model": (lambda f: (f / "config.json").unlink(), "neither config.json nor"),
    "a link": (_link, "is a link"),
    "a token": (lambda f: (f / "notes.txt").write_text(f"key {TOKEN}"), "access token"),
    "an adapter of a folder": (
        _as_adapter,
        "no name on the Hub.*; write the name of this base on the Hub there, or push the merged",
    ),
    "no folder": (shutil.rmtree, "no such folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(folder, hub, case):
    change, expected = REFUSED[case]
    change(folder)
    with pytest.raises(UserError, match=expected) as caught:
        push(folder, "me/model", dry_run=case == "no weights", say=lambda _: None)
    message = str(caught.value)
    assert "\n" not in message and str(folder) in message and TOKEN not in message
    assert hub.calls == []


@pytest.mark.parametrize("repo", ["model", "../x", "me/", "https://x/y"])
def test_a_repository_has_an_owner_and_a_name(folder, hub, repo):
    with pytest.raises(UserError, match="owner/name"):
        push(folder, repo, dry_run=True, say=lambda _: None)
    assert hub.calls == []


def test_what_was_trained_goes_to_the_hub(make_questions, tmp_path, hub):
    arguments = ["train", "sft", "--profile", "tiny", "--questions", make_questions()[0],
                 "--out", tmp_path / "run", "--steps", 1, "--push-to", "me/trained"]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    (sent,) = [fields for what, fields in hub.calls if what == "upload_folder"]
    assert sent["repo_id"] == "me/trained" and "model.safetensors" in sent["allow_patterns"]
    assert result.stdout.rstrip().endswith("https://hub.example/me/trained")


@pytest.mark.parametrize("target, message", [("no name", "owner/name"), ("a/b", "no access")])
def test_a_target_that_cannot_be_is_refused_before_training(
    target, message, make_questions, tmp_path, monkeypatch
):
    monkeypatch.setattr(pushing, "get_token", lambda: None)
    arguments = ["train", "sft", "--profile", "tiny", "--questions", make_questions()[0],
                 "--out", tmp_path / "run", "--push-to", target]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 1 and message in result.stderr
    assert not (tmp_path / "run" / "run.json").exists()
