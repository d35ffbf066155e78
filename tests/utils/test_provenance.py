"""Provenance: what a result file says of its origin is true."""

import subprocess
from pathlib import Path

from r1aqa_helpers.utils import provenance

ROOT = Path(__file__).resolve().parents[2]


def test_pins_change_with_a_version_and_not_with_the_order(tmp_path):
    file = tmp_path / "pyproject.toml"

    def pinned(*lines: str) -> str | None:
        file.write_text(f"[tool.uv]\nconstraint-dependencies = {list(lines)}\n")
        return provenance.pins(file)

    first = pinned("a==1", "b==2")
    assert len(first) == 12 and pinned("b==2", "a==1") == first
    assert pinned("a==1", "b==3") != first
    assert provenance.pins(tmp_path / "none.toml") is None
    assert provenance.pins(ROOT / "pyproject.toml") not in (None, first)


def test_commit_says_whether_files_were_changed(tmp_path):
    assert provenance.commit(tmp_path) is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "file").write_text("one")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    clean = provenance.commit(tmp_path)
    assert len(clean) == 10 and not clean.endswith("+")
    (tmp_path / "new").write_text("an untracked file changes nothing")
    assert provenance.commit(tmp_path) == clean
    (tmp_path / "file").write_text("two")
    assert provenance.commit(tmp_path) == clean + "+"


def test_the_command_is_told_without_the_machines_folders(monkeypatch):
    def recorded(*argv: object) -> str | None:
        monkeypatch.setattr("sys.argv", [*map(str, argv)])
        return provenance.command()

    assert recorded("/x/bin/r1aqa", "probe", "--out", ROOT / "runs" / "a b") == (
        "r1aqa probe --out 'runs/a b'"
    )
    assert recorded(ROOT / "r1aqa_helpers" / "__main__.py", "table") == "r1aqa table"
    assert recorded(ROOT / "benchmarks" / "flops.py") == "python benchmarks/flops.py"
    assert "cores" in provenance.provenance()["hardware"]
    assert recorded("/x/ipykernel_launcher.py", "-f", "/tmp/kernel.json") is None
