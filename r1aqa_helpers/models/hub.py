"""Uploading a saved folder to the Hugging Face Hub, after a look at every file in it.

The access token is the Hub client's own business (``HF_TOKEN`` or its cache): it is never
printed, and a file that seems to hold one is not uploaded.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, get_token
from huggingface_hub.utils import HFValidationError, filter_repo_objects, validate_repo_id

from r1aqa_helpers.models.adapters import (
    ADAPTER_CONFIG,
    adapter_base,
    is_adapter,
    read_adapter_weights,
)
from r1aqa_helpers.models.card import CARD, is_hub_name
from r1aqa_helpers.models.loading import check_weights
from r1aqa_helpers.models.saving import is_model_folder
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_bytes
from r1aqa_helpers.utils.untrusted import first_line, shown

#: What belongs to a model; anything else stays here, such as pickles, which can run code.
_SENT = [
    *("*.safetensors", "*.json", "*.txt", "*.jinja", "*.model", "*.md", "*.png", "*.jpg"),
    *("LICENSE", "NOTICE", ".gitattributes"),
]
_TOKEN = re.compile(rb"\bhf_[A-Za-z0-9]{30,}")


def push(
    folder: str | Path,
    repo: str,
    private: bool = False,
    dry_run: bool = False,
    say: Callable[[str], Any] = print,
) -> str | None:
    """Upload a saved folder to ``repo`` (owner/name) on the Hugging Face Hub.

    Args:
        private: make a new repository private; one that is there and public is an error.
        dry_run: say what would be uploaded, without any network.
        say: is told the files and sizes.

    Returns:
        The repository's address; None for a dry run.

    Raises:
        UserError: as `check_upload` and `check_target` do; the Hub refuses.
    """
    _check_repo(repo)
    folder = Path(folder)
    files, left_out = check_upload(folder)
    sizes = [(folder / name).stat().st_size / 1e6 for name in files]
    for size, name in zip(sizes, files, strict=True):
        say(f"{size:>10,.1f} MB  {shown(name)}")
    say(f"{sum(sizes):>10,.1f} MB  in {len(files)} files")
    for name in left_out:
        say(f"left out: {shown(name)}")
    if dry_run:
        say(f"dry run: nothing was sent to {repo}")
        return None
    token = check_target(repo)
    api = HfApi()
    try:
        address = api.create_repo(repo, private=private or None, repo_type="model", exist_ok=True)
        if private and not api.repo_info(repo, repo_type="model").private:
            raise UserError(
                f"{repo}: is there already, and public; make it private, or name another"
            )
        api.upload_folder(
            repo_id=repo,
            repo_type="model",
            folder_path=folder,
            allow_patterns=files,
            commit_message="Upload model",
        )
    # The client reports what the Hub answers in errors of several kinds.
    except (OSError, ValueError, RuntimeError) as error:
        reason = first_line(error).replace(token, "…")
        raise UserError(f"{repo}: the Hub did not take the upload ({reason})") from None
    return str(address)


def check_target(repo: str) -> str:
    """The access token for ``repo``, so that what is missing shows before hours of training.

    Raises:
        UserError: it is no name of a repository, or there is no token.
    """
    _check_repo(repo)
    token = get_token()
    if not token:
        raise UserError(
            "no access token for the Hugging Face Hub; run `hf auth login`, or set HF_TOKEN"
        )
    return token


def check_upload(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files in ``folder`` that would be sent, and of those that stay; sends nothing.

    Raises:
        UserError: it is no model folder; weights are missing or torn; there is no model
            card; an adapter's base model is not on the Hub; a file is a link, or seems to hold an
            access token.
    """
    if not os.path.isdir(folder):
        raise UserError(f"{shown(folder)}: no such folder; give one that r1aqa or save wrote")
    if not is_model_folder(folder):
        raise UserError(
            f"{shown(folder)}: holds neither config.json nor {ADAPTER_CONFIG}; "
            "give the folder of a model or an adapter"
        )
    names = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise UserError(f"{shown(path)}: is a link; put the file itself there, or remove it")
        if not path.is_dir():
            names.append(path.relative_to(folder).as_posix())
    top = [name for name in names if "/" not in name]
    sent = list(filter_repo_objects(top, allow_patterns=_SENT))
    for name in sent:
        path = folder / name
        if path.suffix != ".safetensors" and _TOKEN.search(read_bytes(path)):
            raise UserError(f"{shown(path)}: seems to hold an access token of the Hub; remove it")
    if is_adapter(folder):
        read_adapter_weights(folder)
        base = adapter_base(folder)
        if base is None or not is_hub_name(base):
            raise UserError(
                f"{shown(folder / ADAPTER_CONFIG)}: base_model_name_or_path is no name on the Hub,"
                " so that nobody else could load the adapter; write the name of this base on the"
                " Hub there, or push the merged model (models.load without quantise, models.save)"
            )
    else:
        check_weights(folder)
    card = folder / CARD
    if not card.is_file() or not read_bytes(card).startswith(b"---\n"):
        raise UserError(
            f"{shown(card)}: is no model card (Markdown that starts with a block of YAML); "
            "save the model again"
        )
    return sent, [name for name in names if name not in sent]


def _check_repo(repo: str) -> None:
    try:
        validate_repo_id(repo)
    except HFValidationError:
        repo = ""
    if not is_hub_name(repo):
        raise UserError(f"repository {shown(repo)}: give it as owner/name")
