"""The profile, and the room that it needs: disk, memory, GPU memory."""

from __future__ import annotations

import shutil
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
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def probe_profile(done: Examination) -> Found:
    """The profile that was asked for or that the hardware picks, and whether it can run here."""
    from r1aqa_helpers.profiles import pick_profile

    profile = pick_profile(done.wanted)
    gpus, mps = done.known("gpu", "cuda"), done.known("gpu", "mps")
    if done.wanted:
        why = "asked for"
    elif gpus:
        why = f"there is a CUDA GPU, {gpus[0]['name']}"
    else:
        why = "there is no CUDA GPU" + (", and Apple's is not used by itself" if mps else "")
    facts = {
        "name": profile.name,
        "why": why,
        "model": profile.model if not profile.tiny_questions else "data/tiny/model",
        "device": profile.device,
        "dtype": profile.dtype,
        "tiny_questions": profile.tiny_questions,
        "needs_questions": not profile.tiny_questions and not (profile.train and profile.test),
    }
    findings = [Finding("profile", OK, f"{profile.name}: {why}")]
    if profile.device == "cuda" and not gpus:
        text = f"profile {profile.name} wants a CUDA GPU, and torch sees none"
        findings.append(Finding("profile", STOP, text, _use_tiny(done)))
    elif profile.device == "cuda" and profile.dtype == "bfloat16" and not gpus[0]["bf16"]:
        text = f"profile {profile.name} computes in bfloat16, which {gpus[0]['name']} only emulates"
        step = "for the full track take a GPU of compute capability 8.0 or more (L4, A100, H100)"
        findings.append(Finding("profile", NOTE, text, step))
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
    weights = _weight_bytes(done)
    download = 0 if done.known("cache", "model_cached") or tiny else weights
    clips = done.known("tiny_data", "bytes_to_render") if tiny else 0
    needs = {
        "gpu_bytes_at_least": weights if done.known("profile", "device") == "cuda" else None,
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
    if needs["gpu_bytes_at_least"] and gpus:
        what = "GPU memory for the weights alone (what training adds is not known)"
        findings.append(_need(what, weights, gpus[0]["memory_bytes"], STOP, done))
    return facts, findings


def _disk_finding(free: int) -> Finding:
    return Finding("room", OK, f"{gb(free)} of disk free here; what runs add is not known")


def _need(what: str, need: int, free: int, status: str, done: Examination) -> Finding:
    text = f"{what}: {gb(need)} needed, {gb(free)} there"
    if need <= free:
        return Finding("room", OK, text)
    if what.startswith("GPU"):
        return Finding("room", status, text, _use_tiny(done))
    room = "memory" if what.startswith("memory") else "disk"
    return Finding("room", status, text, f"make room: {gb(need - free)} more of {room}")


def _weight_bytes(done: Examination) -> int | None:
    """Of the profile's 7B model in its dtype; None where the code does not know."""
    if done.known("profile", "model") not in WEIGHTS:
        return None
    width = BYTES.get(done.known("profile", "dtype") or "bfloat16")
    return None if width is None else width * PARAMETERS_7B


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
