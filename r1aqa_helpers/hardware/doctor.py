"""``r1aqa doctor``: what this machine has and lacks, and what to do next.

It changes nothing and downloads nothing. A check that fails says so, and the others go on: what
they need is imported inside them, so that a missing package is a finding.
"""

import importlib.metadata
import os
import platform
import shutil
import tempfile
import tomllib
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from r1aqa_helpers.hardware.gpus import GB
from r1aqa_helpers.hardware.profiles import QWEN2_AUDIO, Profile, pick_for, pick_profile
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import file_hash, read_json
from r1aqa_helpers.utils.machine import has_kernels, processor, this_machine, total_memory
from r1aqa_helpers.utils.paths import DATA
from r1aqa_helpers.utils.untrusted import first_line

OK, NOTE, STOP = "ok", "note", "stop"
#: The checkout, beside the package.
ROOT = DATA.parent
#: Reported with their versions; the other direct dependencies only where they are missing.
PACKAGES = ("torch", "torchaudio", "transformers", "trl", "accelerate", "peft", "datasets",
            "huggingface-hub")  # fmt: skip
#: The main job runs without them.
FOR_NOTEBOOKS = {"ipython", "ipywidgets", "jupyterlab"}
#: On the Hub: both 7B models, and the test set.
ON_HUB = (QWEN2_AUDIO, "mispeech/r1-aqa", "gamma-lab-umd/MMAU-test-mini")
INSTALL = "install the packages: uv sync, or pip install -e ."
PINNED = "install the pinned versions: uv sync, or conda env update -f environment.yml"
RESTORE = "restore the data: git checkout -- data/tiny"
#: Has uv take a build of torch for the driver, or for an older CUDA, in place of the newest.
_TORCH = (
    "export UV_NO_SYNC=1 (without it the next uv run brings the pinned build back), then "
    "uv pip install --reinstall-package torch --reinstall-package torchaudio --torch-backend="
)
HIDE = "or hide the GPU, to work on the CPU: export CUDA_VISIBLE_DEVICES="
OLD_GPU = (
    "for GPUs before Turing (P100, V100) install a build for CUDA 12.6, the last that has code for "
    f"them: {_TORCH}cu126 -e '.[quantised]', {HIDE}"
)
NEW_GPU = f"install a build for this GPU: {_TORCH}auto -e ., {HIDE}"
FOR_GPU = f"to use the GPU, install a build for its driver: {_TORCH}auto -e ."
DRIVER = (
    "to use the GPU, update its driver (builds for CUDA 13 need 580 or newer), or install a build "
    f"for the driver that is here: {_TORCH}auto -e ."
)
MPS = (
    "the profile mps has not been run on such a machine yet: where PyTorch says that an operation "
    "is missing, export PYTORCH_ENABLE_MPS_FALLBACK=1"
)


@dataclass(frozen=True)
class Finding:
    """One line of the report, and what to do ``next`` about it, if anything.

    Its status is "ok", "note" (worth knowing) or "stop" (the main job cannot run).
    """

    check: str
    status: str
    text: str
    next: str | None = None


@dataclass
class Report:
    """What was found, in the order of the checks, about the profile that is ``wanted``."""

    wanted: str | None = None
    check: str = ""  #: the one that is running
    profile: Profile | None = None  #: the wanted one, or the one that the hardware picks
    missing: int = 0  #: bytes of its model that are not in the Hub's local cache
    findings: list[Finding] = field(default_factory=list)

    @property
    def stops(self) -> list[Finding]:
        """What keeps the main job from running."""
        return [finding for finding in self.findings if finding.status == STOP]

    @property
    def needs_questions(self) -> bool:
        """Whether the main job has to be given its questions."""
        one = self.profile
        return one is not None and not (one.tiny_questions or (one.train and one.test))

    @property
    def next(self) -> list[str]:
        """What to do, the most urgent first; each thing once."""
        ordered = sorted(self.findings, key=lambda finding: finding.status != STOP)
        steps = list(dict.fromkeys(f.next for f in ordered if f.next))
        if not self.stops:
            profile = f" --profile {self.wanted}" if self.wanted else ""
            files = " --train FILE --test FILE" if self.needs_questions else ""
            steps.append(f"run the main job: r1aqa reproduce{profile}{files}")
        return steps

    def add(self, status: str, text: str, next: str | None = None) -> None:
        """Add a finding of the check that is running."""
        self.findings.append(Finding(self.check, status, text, next))

    def as_dict(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        findings = [asdict(finding) for finding in self.findings]
        return {"main_job_can_run": not self.stops, "findings": findings, "next": self.next}

    def as_text(self) -> str:
        """The report as the terminal shows it: a line per finding, then what to do."""
        lines = [f"{f.status:<4}  {f.check:<9}  {f.text}" for f in self.findings]
        steps = [f"{number:>3}. {step}" for number, step in enumerate(self.next, 1)]
        return "\n".join([*lines, "", "What to do next:", *steps])


def examine(profile: str | None = None) -> Report:
    """Run all checks; raises nothing, since a check that fails is a finding.

    Args:
        profile: the name of the one to ask about; by default the hardware picks.
    """
    report = Report(profile)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, which would mix with the lines
        for report.check, check in CHECKS.items():
            try:
                check(report)
            except Exception as fault:
                report.add(NOTE, f"the check failed: {_told(fault)}")
    return report


def package_versions() -> dict[str, dict[str, Any]]:
    """Of each of `PACKAGES` what is ``installed``, ``pinned``, and whether it is ``as_pinned``.

    None where it is not installed. A build's label, as in 2.11.0+cu130, is ignored.
    """
    pins, found = _project()[1], {}
    for name in PACKAGES:
        installed, pinned = _installed(name), pins.get(name)
        same = installed and installed.partition("+")[0] == pinned
        found[name] = {"installed": installed, "pinned": pinned, "as_pinned": same}
    return found


def _machine(report: Report) -> None:
    memory = total_memory()
    size = "memory not known" if memory is None else f"{_gb(memory)} memory"
    report.add(OK, f"{platform.platform()}, {processor()}, {os.cpu_count()} cores, {size}")


def _gpu(report: Report) -> None:
    try:
        import torch
    except Exception as fault:
        report.add(STOP, f"torch does not import: {_told(fault)}", INSTALL)
        return
    seen = this_machine()
    for index, (name, size) in enumerate(seen.gpus):
        capability = tuple(torch.cuda.get_device_capability(index))
        if has_kernels(index):
            half = "" if capability >= (8, 0) or torch.version.hip else ", float16 and no bfloat16"
            report.add(OK, f"{name}, {_gb(size)}{half}")
            continue
        built = ", ".join(torch.cuda.get_arch_list())
        text = f"{name}: the installed torch has no code for it (it has {built})"
        report.add(STOP, text, OLD_GPU if capability < (7, 5) else NEW_GPU)
    if seen.mps:
        report.add(OK, "Apple GPU (MPS)", MPS)
    elif not seen.gpus and shutil.which("nvidia-smi"):
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        text = f"nvidia-smi is here, but torch (built {built}) sees no GPU"
        report.add(NOTE, text, DRIVER if torch.version.cuda else FOR_GPU)
    if len(seen.gpus) > 1:
        text = f"{len(seen.gpus)} GPUs: one process uses the first"
        report.add(NOTE, text, "to train on all of them: accelerate launch, see r1aqa train --help")
    elif not seen.gpus:
        report.add(OK, "none; the tiny track needs none")


def _packages(report: Report) -> None:
    """Direct dependencies that are missing, and important ones that differ from their pins."""
    found = package_versions()
    for name in _project()[0]:
        if _installed(name) is None:
            notebooks = name in FOR_NOTEBOOKS
            text = f"{name} is missing" + ("; the notebooks need it" if notebooks else "")
            report.add(NOTE if notebooks else STOP, text, INSTALL)
        elif found.get(name, {}).get("as_pinned") is False:
            one = found[name]
            report.add(NOTE, f"{name} is {one['installed']}, pinned is {one['pinned']}", PINNED)
    listed = ", ".join(f"{name} {one['installed']}" for name, one in found.items())
    report.add(OK, f"Python {platform.python_version()}, {listed}")


def _profile(report: Report) -> None:
    """The profile that was asked for or that the hardware picks, and whether it can run here."""
    from r1aqa_helpers.hardware.budgets import budget
    from r1aqa_helpers.hardware.summary import warnings_for

    machine = this_machine()
    picked, why = pick_for(machine)
    report.profile = profile = pick_profile(report.wanted or picked)
    report.add(OK, f"{profile.name}: {'asked for' if report.wanted else why}")
    other = f"take the profile for this machine: --profile {picked}"
    try:
        for line in warnings_for(profile, machine):
            report.add(NOTE, line, None if picked == profile.name else other)
    except UserError as fault:
        report.add(STOP, str(fault), other)
    weights = budget(profile).stages["answering"]["weights"]
    smallest = min((size for _, size in machine.gpus), default=weights)
    if profile.device == "cuda" and weights > smallest:
        text = f"the weights alone take {_gb(weights)}, and the GPU has {_gb(smallest)}"
        report.add(STOP, text, other)
    if profile.quantise and find_spec("bitsandbytes") is None:
        text = f"profile {profile.name} holds weights in 4 bits, and bitsandbytes is not installed"
        step = "install it: uv sync --extra quantised, or pip install bitsandbytes"
        report.add(STOP, text, step)
    if report.needs_questions:
        text = f"profile {profile.name} names no questions; the main job takes yours"
        step = "make the files of questions: r1aqa data convert-avqa, r1aqa data fetch mmau"
        report.add(NOTE, text, step)


def _tiny_data(report: Report) -> None:
    """The committed files against their checksums, and whether the clips are rendered."""
    folder = ROOT / "data" / "tiny"
    needed = report.profile is None or report.profile.tiny_questions
    sums = read_json(folder / "checksums.json")
    for name in sorted(sums):
        try:
            if file_hash(folder / name) == sums[name]:
                continue
            text = f"data/tiny/{name} differs from checksums.json"
        except UserError as fault:
            text = str(fault)
        report.add(STOP if needed else NOTE, text, RESTORE)
    stamp = folder / "audio" / "rendered.json"
    if stamp.exists() and read_json(stamp) == sums:
        report.add(OK, "clips rendered")
    elif needed:
        step = "render the clips (the main job does it, too): r1aqa data prepare"
        report.add(NOTE, "clips not rendered, or not from the present recipes", step)


def _hub(report: Report) -> None:
    """What the Hub's local cache holds, and whether the Hub answers if something is missing."""
    from huggingface_hub import CacheNotFound, constants, get_session, get_token, scan_cache_dir

    try:
        sizes = {repo.repo_id: repo.size_on_disk for repo in scan_cache_dir().repos}
    except CacheNotFound:
        sizes = {}
    held = (f"{one} {_gb(sizes[one]) if one in sizes else 'not there'}" for one in ON_HUB)
    report.add(OK, f"local cache: {', '.join(held)}")
    try:
        status = get_session().head(constants.ENDPOINT, timeout=2.0).status_code
        fault = f"status {status}" if status >= 500 else None
    except Exception as error:  # its text may hold an address with a password
        fault = type(error).__name__
    state = f"does not answer ({fault})" if fault else "answers"
    token = "set" if get_token() else "not set"
    report.add(NOTE if fault else OK, f"the Hub {state}; access token {token}")
    model = report.profile and report.profile.model
    if model in ON_HUB:
        from r1aqa_helpers.hardware.flops import config_7b, weight_bytes

        report.missing = max(0, weight_bytes(config_7b(), "bfloat16") - sizes.get(model, 0))
    if report.missing and fault:
        step = "connect to the Hub, or give a folder with the model: --model FOLDER"
        text = f"{model} is not whole in the local cache, and cannot be fetched now ({fault})"
        report.add(STOP, text, step)


def _disk(report: Report) -> None:
    """Whether the folders that are written to are writable, and large enough for the model."""
    from huggingface_hub import constants

    folders = {"this folder": Path.cwd() / "runs", "the cache": Path(constants.HF_HUB_CACHE)}
    if report.profile and report.profile.tiny_questions:
        del folders["the cache"]
        folders["data/tiny"] = ROOT / "data" / "tiny" / "audio"
    for name, folder in folders.items():
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free
        text = f"{name}: {_gb(free)} free"
        if name == "the cache" and report.missing > free:
            step = f"free {_gb(report.missing - free)} of disk, or set HF_HOME to another one"
            report.add(STOP, f"{text}, and the model takes {_gb(report.missing)}", step)
        try:
            with tempfile.TemporaryFile(dir=existing):
                report.add(OK, f"{text}, writable")
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            step = "make it writable, or work in a copy elsewhere"
            report.add(STOP, f"{name} cannot be written: {reason}", step)


#: By name, in the order of the report; a check may use what those before it put into the report.
CHECKS: dict[str, Callable[[Report], None]] = {
    "machine": _machine,
    "gpu": _gpu,
    "packages": _packages,
    "profile": _profile,
    "tiny_data": _tiny_data,
    "hub": _hub,
    "disk": _disk,
}


def _project() -> tuple[list[str], dict[str, str]]:
    """The direct dependencies here, and the pinned version of each package."""
    from packaging.requirements import Requirement

    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def versions(lines: list[str]) -> dict[str, str]:
        parsed = [Requirement(line) for line in lines]
        wanted = [one for one in parsed if one.marker is None or one.marker.evaluate()]
        return {one.name.lower(): str(one.specifier).removeprefix("==") for one in wanted}

    needed, pinned = (
        whole["project"]["dependencies"],
        whole["tool"]["uv"]["constraint-dependencies"],
    )
    return list(versions(needed)), versions(pinned)


def _installed(name: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB"


def _told(fault: BaseException) -> str:
    return f"{type(fault).__name__}: {first_line(fault)}"
