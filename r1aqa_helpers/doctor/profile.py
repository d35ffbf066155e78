"""The profile, and the room that it needs: disk, memory, GPU memory."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from r1aqa_helpers.doctor import places
from r1aqa_helpers.doctor.findings import (
    GB,
    NOTE,
    OK,
    STOP,
    Examination,
    Finding,
    Found,
    gb,
)
from r1aqa_helpers.doctor.hub import WEIGHTS

#: Parameters of Qwen2-Audio-7B, as ``models.costs`` counts them, whose import takes seconds; a
#: test keeps the two equal. Both Hub checkpoints hold them in bfloat16.
PARAMETERS_7B = 8_397_094_912
DOWNLOAD = 2 * PARAMETERS_7B
#: The share of a GPU that is left to what is not computed: ``budgets.HEADROOM``, also held equal.
HEADROOM = 0.1


def probe_profile(done: Examination) -> Found:
    """The profile that was asked for or that the hardware picks, and whether it can run here."""
    from r1aqa_helpers.profiles import PROFILES, pick_for, pick_profile, this_machine

    gpus = done.known("gpu", "cuda")
    if done.wanted:
        profile, why = pick_profile(done.wanted), "asked for"
    else:
        name, why = pick_for(this_machine())
        profile = PROFILES[name]
    facts = {
        "name": profile.name,
        "why": why,
        "model": profile.model if not profile.tiny_questions else "data/tiny/model",
        "device": profile.device,
        "dtype": profile.dtype,
        "quantise": profile.quantise,
        "tiny_questions": profile.tiny_questions,
        "needs_questions": not profile.tiny_questions and not (profile.train and profile.test),
    }
    findings = [Finding("profile", OK, f"{profile.name}: {why}")]
    if profile.device == "cuda" and not gpus:
        text = f"profile {profile.name} wants a CUDA GPU, and torch sees none"
        findings.append(Finding("profile", STOP, text, _use_tiny(done)))
    elif profile.device == "mps" and not done.known("gpu", "mps"):
        text = f"profile {profile.name} wants Apple's GPU, and torch sees none"
        findings.append(Finding("profile", STOP, text, _use_tiny(done)))
    elif profile.device == "cuda" and profile.dtype == "bfloat16" and not gpus[0]["bf16"]:
        text = f"profile {profile.name} computes in bfloat16, which {gpus[0]['name']} only emulates"
        step = "on a GPU without bfloat16 use float16: --profile t4"
        findings.append(Finding("profile", NOTE, text, step))
    if profile.quantise and find_spec("bitsandbytes") is None:
        text = f"profile {profile.name} holds weights in 4 bits, and bitsandbytes is not installed"
        step = "install it: uv sync --extra quantised, or pip install 'r1aqa-helpers[quantised]'"
        findings.append(Finding("profile", STOP, text, step))
    if facts["needs_questions"]:
        text = f"profile {profile.name} names no questions; the main job takes yours"
        step = "make the files of questions: r1aqa data convert-avqa, r1aqa data fetch mmau"
        findings.append(Finding("profile", NOTE, text, step))
    return facts, findings


def probe_room(done: Examination) -> Found:
    """Free disk and memory against what the profile needs, as far as that is known."""
    name, tiny = done.known("profile", "name"), done.known("profile", "tiny_questions")
    if name is None:
        raise LookupError("the profile is not known")
    computed = _computed(name)
    listed = done.known("profile", "model") in WEIGHTS
    on_gpu = done.known("profile", "device") != "cpu" and listed
    download = 0 if done.known("cache", "model_cached") or tiny else DOWNLOAD if listed else None
    clips = done.known("tiny_data", "bytes_to_render") if tiny else 0
    needs = {
        "gpu_bytes_at_least": computed.get("weights") if on_gpu else None,
        "gpu_bytes_computed": computed.get("peak") if on_gpu else None,
        "notebooks_memory_bytes": _measured_peak(name),
        "cache_disk_bytes": download,
        "data_disk_bytes": clips,
    }
    folders = {"here": Path.cwd(), "data": places.ROOT / "data", "cache": places.hub_cache()}
    free = {where: shutil.disk_usage(places.existing(path)).free for where, path in folders.items()}
    facts = {"needs": needs, "free_disk_bytes": free}
    findings = [_disk_finding(free["here"])]
    if clips:
        findings.append(_need("disk for the clips (at most)", clips, free["data"], STOP, done))
    if download:
        findings.append(
            _need(f"disk for {done.known('profile', 'model')}", download, free["cache"], STOP, done)
        )
    elif download is None:
        findings.append(Finding("room", OK, "disk for the profile's model: need not known"))
    peak, available = _measured_peak(name), done.known("machine", "memory_available_bytes")
    if peak is None or available is None:
        findings.append(Finding("room", OK, "memory that the main job needs: not known"))
    else:
        what = "memory (the notebooks' measured peak; the main job's is not known)"
        findings.append(_need(what, peak, available, NOTE, done))
    gpus = done.known("gpu", "cuda")
    if needs["gpu_bytes_computed"] and gpus:
        smallest = min(gpu["memory_bytes"] for gpu in gpus)
        findings.append(_gpu_finding(needs, smallest, done))
    return facts, findings


def _gpu_finding(needs: dict, there: int, done: Examination) -> Finding:
    """Whether the weights fit at all, and then whether the computed peak does."""
    peak, weights = needs["gpu_bytes_computed"], needs["gpu_bytes_at_least"]
    if weights > there:
        what = "GPU memory for the weights alone"
        return _need(what, weights, there, STOP, done)
    what = f"GPU memory (computed peak; {HEADROOM:.0%} of what is there is left to the rest)"
    return _need(what, peak, round((1 - HEADROOM) * there), NOTE, done)


def _disk_finding(free: int) -> Finding:
    return Finding("room", OK, f"{gb(free)} of disk free here; what runs add is not known")


def _need(what: str, need: int, free: int, status: str, done: Examination) -> Finding:
    text = f"{what}: {gb(need)} needed, {gb(free)} there"
    if need <= free:
        return Finding("room", OK, text)
    if what.startswith("GPU"):
        return Finding("room", status, text, _use_smaller(done))
    room = "memory" if what.startswith("memory") else "disk"
    return Finding("room", status, text, f"make room: {gb(need - free)} more of {room}")


def _computed(name: str) -> dict[str, int]:
    """``weights`` and ``peak`` in bytes, by ``benchmarks/budgets.py``; empty without a checkout."""
    from r1aqa_helpers.files import read_json

    file = places.ROOT / "benchmarks" / "results" / "budgets.json"
    if not file.is_file():
        return {}
    found = read_json(file)["profiles"].get(name)
    if found is None:
        return {}
    return {"weights": found["stages"]["answering"]["weights"], "peak": found["peak"]}


def _measured_peak(name: str) -> int | None:
    """Bytes that the hungriest notebook took with this profile; None where none was measured."""
    from r1aqa_helpers.files import read_json

    file = places.ROOT / "data" / "course" / "notebooks.json"
    measured = read_json(file) if file.is_file() else {}
    peaks = [row[name]["peak_gb"] for row in measured.values() if name in row]
    return int(max(peaks) * GB) if peaks else None


def _use_tiny(done: Examination) -> str:
    step = "r1aqa reproduce --profile tiny"
    return f"run the tiny track: {step}" if done.known("profile", "name") != "tiny" else step


def _use_smaller(done: Examination) -> str:
    """The profile that this machine's hardware would have picked, where that is another."""
    from r1aqa_helpers.profiles import pick_for, this_machine

    name, _ = pick_for(this_machine())
    if name in ("tiny", done.known("profile", "name")):
        return _use_tiny(done)
    return f"take the profile for this GPU: --profile {name}"
