"""The machine: processor, cores, memory, GPUs; whether it shows notebooks."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from r1aqa_helpers.doctor.findings import (
    INSTALL,
    NOTE,
    OK,
    STOP,
    Examination,
    Finding,
    Found,
    gb,
    one_line,
)


def probe_machine(_: Examination) -> Found:
    """System, processor, cores and memory."""
    total, available = _memory()
    facts = {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": _usable_cores(),
        "memory_bytes": total,
        "memory_available_bytes": available,
        "platform": _hosted(),
    }
    cores = f"{facts['cores']} cores"
    if facts["usable_cores"] != facts["cores"]:
        cores = f"{facts['usable_cores']} of {cores}"
    memory = "memory not known"
    if total is not None and available is not None:
        memory = f"{gb(available)} of {gb(total)} memory free"
    where = f" ({facts['platform']})" if facts["platform"] else ""
    text = f"{facts['system']} {facts['architecture']}{where}, {facts['processor']}"
    return facts, [Finding("machine", OK, f"{text}, {cores}, {memory}")]


def probe_gpu(_: Examination) -> Found:
    """The GPUs that torch sees, or why it does not import."""
    try:
        import torch
    except Exception as fault:
        reason = one_line(fault)
        step = INSTALL
        return {"error": reason}, [Finding("gpu", STOP, f"torch does not import: {reason}", step)]
    gpus = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            seen = torch.cuda.get_device_properties(index)
            capability = tuple(torch.cuda.get_device_capability(index))
            gpus.append(
                {
                    "name": seen.name,
                    "memory_bytes": int(seen.total_memory),
                    "capability": ".".join(map(str, capability)),
                    # torch's own answer counts emulation, which is slow; 8.0 is Ampere.
                    "bf16": bool(torch.version.hip) or capability >= (8, 0),
                }
            )
    mps = bool(torch.backends.mps.is_available())
    facts = {"cuda": gpus, "cuda_of_torch": torch.version.cuda, "mps": mps}
    findings = []
    for gpu in gpus:
        bf16 = "bf16" if gpu["bf16"] else "no bf16 (only emulated)"
        findings.append(Finding("gpu", OK, f"{gpu['name']}, {gb(gpu['memory_bytes'])}, {bf16}"))
    if mps:
        findings.append(Finding("gpu", OK, "Apple GPU (MPS)"))
    if not gpus and shutil.which("nvidia-smi"):
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        step = "to use the GPU, update its driver, or install torch as pinned: uv sync"
        text = f"nvidia-smi is here, but torch (built {built}) sees no GPU"
        findings.append(Finding("gpu", NOTE, text, step))
    return facts, findings or [Finding("gpu", OK, "none; the tiny track needs none")]


def probe_notebooks(done: Examination) -> Found:
    """Whether JupyterLab and a browser are here."""
    lab = importlib.util.find_spec("jupyterlab") is not None
    try:
        webbrowser.get()
        browser = True
    except webbrowser.Error:
        browser = False
    facts = {"jupyterlab": lab, "browser": browser}
    findings = []
    if not lab and not done.known("machine", "platform"):
        step = "for the notebooks, install JupyterLab: uv sync"
        findings.append(Finding("notebooks", NOTE, "JupyterLab is not here", step))
    if not browser and not done.known("machine", "platform"):
        step = "for the notebooks: jupyter lab --no-browser, then open its address in a browser"
        findings.append(Finding("notebooks", NOTE, "no browser can be started here", step))
    text = " and ".join(n for n, here in (("JupyterLab", lab), ("a browser", browser)) if here)
    return facts, [Finding("notebooks", OK, f"{text} here"), *findings] if text else findings


def _memory() -> tuple[int | None, int | None]:
    """Bytes of memory, and of those free; a container's limit counts."""
    try:
        import psutil

        memory = psutil.virtual_memory()
        total, available = int(memory.total), int(memory.available)
    except Exception:
        return None, None
    for limit, used in _container_limits():
        total, available = min(total, limit), min(available, max(0, limit - used))
    return total, available


def _container_limits() -> Iterator[tuple[int, int]]:
    """Limit and use in bytes, where Linux's control groups set a limit (version 2, then 1)."""
    for folder, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            values = [int(Path(folder, name).read_text()) for name in (limit, used)]
        except (OSError, ValueError):  # no such file, or "max"
            continue
        yield values[0], values[1]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(x.split(":", 1)[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a processor that does not say
        return platform.processor() or platform.machine()


def _usable_cores() -> int | None:
    """That this process may use; a cluster gives fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _hosted() -> str | None:
    """ "Colab" or "Kaggle", whose page is the notebook's front end, or None."""
    if os.environ.get("COLAB_RELEASE_TAG"):
        return "Colab"
    return "Kaggle" if os.environ.get("KAGGLE_KERNEL_RUN_TYPE") else None
