"""README's figures are those of the committed reference run, to the letter."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_results_block_is_generated() -> None:
    run = subprocess.run(
        [sys.executable, "scripts/readme_results.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "| grpo |" in (ROOT / "README.md").read_text(encoding="utf-8")
