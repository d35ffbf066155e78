"""The folder of a run: can it be written, and whose is it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_bytes, write_json
from r1aqa_helpers.utils.untrusted import shown, shown_value

RUN_FILE = "run.json"

#: Keys that earlier versions wrote, to today's.
_RENAMED = {"freeze_tower": "freeze_audio_encoder"}


def check_writable(folder: Path) -> None:
    """Make ``folder`` and write to it, so that a fault shows before hours of work.

    Raises:
        UserError: it cannot be made or written.
    """
    probe = folder / ".writable"
    write_bytes(probe, b"")
    probe.unlink(missing_ok=True)


def check_there(path: Path) -> None:
    """Check that nobody removed what a run writes to, or it would go on with half of its files.

    Raises:
        UserError: ``path`` is gone.
    """
    if not path.exists():
        raise UserError(f"{shown(path)}: was removed while the run went on; start it again")


def read_run(path: Path) -> dict[str, Any]:
    """What the run's file ``path`` says, with the keys of today, on all levels.

    Raises:
        UserError: it cannot be read, or holds no object.
    """
    held = read_json(path)
    if not isinstance(held, dict):
        raise UserError(f"{shown(path)}: is damaged; give another output folder, or remove it")
    return _renamed(held)


def _renamed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {_RENAMED.get(name, name): _renamed(held) for name, held in value.items()}


def claim(folder: Path, facts: Mapping[str, Any]) -> None:
    """Say that ``folder`` belongs to the run that ``facts`` (JSON values by name) describe.

    Facts add up over calls. Raises ``UserError`` where the folder already belongs to a run for
    which one of them is not true: the files of the two would mix.
    """
    path = folder / RUN_FILE
    held = read_run(path) if path.exists() else {}
    for name, value in facts.items():
        if name in held and held[name] != value:
            raise UserError(
                f"{shown(folder)}: holds a run with {name} {shown_value(held[name])}, this one has"
                f" {shown_value(value)}; choose another --out, or delete the folder"
            )
    if not facts.keys() <= held.keys():
        write_json(path, {**held, **facts})
