"""The questions that ``--questions`` names: a release of MMAU that was fetched, or any file."""

from pathlib import Path

from ...errors import UserError
from ...files import shown, shown_value
from .fetch import read_source
from .releases import RELEASES

_NAMES = "mmau-test-mini-"


def find_questions(name: str, runs: Path = Path("runs")) -> Path:
    """The file of questions.

    Args:
        name: ``mmau-test-mini-v1`` or ``mmau-test-mini-v05.15.25``, where `fetch_mmau` puts it;
            or the path of a file of questions, or of a folder that `fetch_mmau` wrote.
        runs: where releases are fetched to.

    Raises:
        UserError: there is no such set or file; it was not fetched, not to the end, is another
            release than its name says, or was changed since.
    """
    version = name.removeprefix(_NAMES) if name.startswith(_NAMES) else None
    if version in RELEASES:
        command = f"r1aqa data fetch mmau --version {version}"
        folder = runs / name
    else:
        command, version = "r1aqa data fetch mmau", None
        folder = Path(name)
        if folder.is_file():
            return folder
    if not folder.is_dir():
        if version is not None:
            raise UserError(f"{name}: is not here yet; fetch it with: {command}")
        names = ", ".join(_NAMES + release for release in RELEASES)
        raise UserError(
            f"--questions {shown_value(name)}: neither a file nor a set that is known; give one of"
            f" {names}, or the path of a file of questions"
        )
    if not (folder / "source.json").exists():
        raise UserError(
            f"{shown(folder)}: has no source.json, so was not fetched, or not to the end;"
            f" the same command goes on: {command}"
        )
    source = read_source(folder)
    if version is not None and source.get("version") != version:
        raise UserError(
            f"{shown(folder)}: holds {shown_value(source.get('version'))} of MMAU, not {version};"
            f" remove the folder, and fetch it with: {command}"
        )
    return folder / source["questions"]
