"""The Hub and what its local cache holds: the 7B weights, MMAU."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

from r1aqa_helpers.doctor.findings import NOTE, OK, STOP, Examination, Finding, Found, gb

BASE_7B = "Qwen/Qwen2-Audio-7B-Instruct"
WEIGHTS = (BASE_7B, "mispeech/r1-aqa")
MMAU = "gamma-lab-umd/MMAU-test-mini"
#: Seconds for the Hub to answer; the second also bounds the look-up of its name.
HUB_TIMEOUT, HUB_LIMIT = 2.0, 3.0
_SHARD = re.compile(r"[\w.-]+\.safetensors")


def probe_cache(done: Examination) -> Found:
    """The weights and MMAU in the Hub's local cache; no network."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = {(r.repo_type, r.repo_id): r for r in scan_cache_dir().repos}
    except CacheNotFound:
        repos = {}
    tiny = done.known("profile", "tiny_questions")
    facts: dict[str, Any] = {}
    findings = []
    for repo in WEIGHTS:
        held = _weights_held(repo)
        size = repos[("model", repo)].size_on_disk if ("model", repo) in repos else 0
        facts[repo] = {"weights": held, "bytes": size}
        text = f"{repo}: weights {held} in the local cache"
        text += f" ({gb(size)})" if size else ""
        if held != "complete" and tiny:
            text += "; the tiny track needs none"
        findings.append(Finding("cache", OK, text))
    mmau = repos.get(("dataset", MMAU))
    size = mmau.size_on_disk if mmau else 0
    ready = sorted(path.parent.name for path in Path("runs").glob("mmau-test-mini-*/source.json"))
    facts[MMAU] = {"cached": mmau is not None, "bytes": size, "ready": ready}
    text = f"MMAU ({MMAU}): {'in' if mmau else 'not in'} the local cache"
    text += f" ({gb(size)})" if mmau else ""
    text += f"; made ready in runs: {', '.join(map(repr, ready))}" if ready else ""
    findings.append(Finding("cache", OK, text))
    model = done.known("profile", "model")
    if model in facts:
        facts["model_cached"] = facts[model]["weights"] == "complete"
    return facts, findings


def _weights_held(repo: str) -> str:
    """ "complete", "incomplete" or "absent": the files that the checkpoint's index names."""
    from huggingface_hub import try_to_load_from_cache

    from r1aqa_helpers.files import read_json

    def there(name: str) -> bool:
        return isinstance(try_to_load_from_cache(repo, name), str)

    index = try_to_load_from_cache(repo, "model.safetensors.index.json")
    if isinstance(index, str):
        shards = set(read_json(index)["weight_map"].values())
        # The index comes from elsewhere: what is no plain name is not looked up.
        complete = all(_SHARD.fullmatch(shard) and there(shard) for shard in shards)
        return "complete" if shards and complete else "incomplete"
    if there("model.safetensors"):
        return "complete"
    return "incomplete" if there("config.json") else "absent"


def probe_hub(done: Examination) -> Found:
    """Whether the Hub answers, and whether that matters here."""
    from huggingface_hub import constants, get_token

    facts: dict[str, Any] = {"token": "set" if get_token() else "not set"}
    token = f"access token {facts['token']}"
    if done.offline or constants.HF_HUB_OFFLINE:
        facts["answers"] = None
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "--offline"
        findings = [Finding("hub", OK, f"not asked ({reason}); {token}")]
        facts["skipped"] = reason
        away = reason
    else:
        fault = _asked(constants.ENDPOINT)
        facts["answers"] = fault is None
        if fault is None:
            return facts, [Finding("hub", OK, f"answers; {token}")]
        findings = [Finding("hub", NOTE, f"does not answer ({fault}); {token}")]
        away = "the Hub does not answer"
    model = done.known("profile", "model")
    if model in WEIGHTS and done.known("cache", "model_cached") is False:
        unknown = done.offline and not constants.HF_HUB_OFFLINE
        fetched = "whether it can be fetched was not asked" if unknown else "it cannot be fetched"
        text = f"{model} is not in the local cache, and {fetched} ({away})"
        step = "connect to the Hub, or give a folder with the model: --model FOLDER"
        findings.append(Finding("hub", NOTE if unknown else STOP, text, step))
    return facts, findings


def _asked(endpoint: str) -> str | None:
    """Ask the Hub for its first page, without a token; why it does not answer, or None.

    In a thread of its own, as looking up a name has no time limit. Faults are told by kind
    only: their texts may hold an address with a password.
    """
    result: list[str | None] = []

    def ask() -> None:
        try:
            from huggingface_hub import get_session

            answer = get_session().head(endpoint, timeout=HUB_TIMEOUT)
            status = int(answer.status_code)
            result.append(None if status < 500 else f"status {status}")
        except Exception as fault:
            result.append(type(fault).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_LIMIT)
    return result[0] if result else f"nothing within {HUB_LIMIT:g} s"
