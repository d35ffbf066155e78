"""What is here and what is missing: machine, versions, profile, room, Hub, weights, data.

``r1aqa doctor`` prints it; ``python -m r1aqa_helpers.doctor`` does, too, where the command line
cannot even start: at its top this module imports nothing but the standard library. It changes
nothing and downloads nothing. A probe that fails says so, and the others go on.
"""

# Also for a Python that is too old for the other modules: it is this one that says so.
from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import threading
import warnings
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OK, NOTE, STOP = "ok", "note", "stop"
#: Reported with their versions; the other direct dependencies only where they are missing.
PACKAGES = (
    "torch",
    "torchaudio",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "datasets",
    "huggingface-hub",
)
#: Without them the main job runs all the same.
FOR_NOTEBOOKS = {"ipython", "ipywidgets", "jupyterlab"}
BASE_7B = "Qwen/Qwen2-Audio-7B-Instruct"
WEIGHTS = (BASE_7B, "mispeech/r1-aqa")
MMAU = "gamma-lab-umd/MMAU-test-mini"
#: Parameters of Qwen2-Audio-7B, as ``models.costs`` counts them, whose import takes seconds; a
#: test keeps the two equal. Both Hub checkpoints hold them in bfloat16.
PARAMETERS_7B = 8_397_094_912
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: Seconds for the Hub to answer; the second also bounds the look-up of its name.
HUB_TIMEOUT, HUB_LIMIT = 2.0, 3.0
#: A rendered clip: 16 kHz, 16 bits. Its FLAC file is hardly ever larger.
BYTES_PER_SECOND = 32_000
GB = 1e9
#: What to do, where several findings say it.
INSTALL = "install the packages: uv sync, or pip install -e ."
PINNED = "install the pinned versions: uv sync, or conda env update -f environment.yml"
RESTORE = "restore the data: git checkout -- data/tiny"
_SHARD = re.compile(r"[\w.-]+\.safetensors")
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        check: the probe that found it.
        status: "ok", "note" (worth knowing) or "stop" (the main job cannot run).
        text: what is so.
        next: what to do about it, if anything.
    """

    check: str
    status: str
    text: str
    next: str | None = None


@dataclass
class Examination:
    """All that was found out, in the order of the probes.

    Attributes:
        wanted: the profile that the user asked about; None: the hardware picks.
        offline: whether the Hub is left alone.
        facts: probe -> JSON values by name; ``{"error": …}`` where it could not be found out.
        findings: lines for the user.
    """

    wanted: str | None = None
    offline: bool = False
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def stops(self) -> list[Finding]:
        """What keeps the main job from running."""
        return [finding for finding in self.findings if finding.status == STOP]

    @property
    def next(self) -> list[str]:
        """What to do, the most urgent first; each thing once."""
        ordered = self.stops + [f for f in self.findings if f.status != STOP]
        steps = list(dict.fromkeys(f.next for f in ordered if f.next))
        if not self.stops:
            steps.append(f"run the main job: {self.command}")
        return steps

    @property
    def command(self) -> str:
        """The main job's, for the profile that was examined."""
        files = " --train FILE --test FILE" if self.known("profile", "needs_questions") else ""
        return "r1aqa reproduce" + (f" --profile {self.wanted}" if self.wanted else "") + files

    def known(self, check: str, name: str) -> Any:
        """A fact, or None where it was not found out."""
        return self.facts.get(check, {}).get(name)

    def as_dict(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        return {
            "main_job_can_run": not self.stops,
            "checks": self.facts,
            "findings": [asdict(finding) for finding in self.findings],
            "next": self.next,
        }

    def as_text(self) -> str:
        """The report as the terminal shows it: a line per finding, then what to do."""
        width = max((len(f.check) for f in self.findings), default=0)
        lines = [f"{f.status:<4}  {f.check:<{width}}  {f.text}" for f in self.findings]
        lines += ["", "What to do next:"]
        lines += [f"{number:>3}. {step}" for number, step in enumerate(self.next, 1)]
        return "\n".join(lines)

    def verdict(self) -> str:
        """One line: whether the main job can run."""
        if not self.stops:
            return "the main job can run"
        marked = "1 finding" if len(self.stops) == 1 else f"{len(self.stops)} findings"
        return f"the main job cannot run here yet: {marked} above marked stop"


Found = tuple[dict[str, Any], list[Finding]]


def examine(profile: str | None = None, offline: bool = False) -> Examination:
    """Look at everything; seconds. Raises nothing: what fails is a finding.

    ``profile`` is the name of the one to ask about; without it, the hardware picks.
    ``offline`` leaves the Hub alone.
    """
    done = Examination(profile, offline)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries' own, which would stand between the lines
        for check, probe in PROBES:
            try:
                facts, findings = probe(done)
            except Exception as fault:
                facts = {"error": _one_line(fault)}
                findings = [Finding(check, NOTE, f"could not be found out: {facts['error']}")]
            done.facts[check] = facts
            done.findings += findings
    return done


# --- machine and Python -------------------------------------------------------------------


def _machine(_: Examination) -> Found:
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
        memory = f"{_gb(available)} of {_gb(total)} memory free"
    where = f" ({facts['platform']})" if facts["platform"] else ""
    text = f"{facts['system']} {facts['architecture']}{where}, {facts['processor']}"
    return facts, [Finding("machine", OK, f"{text}, {cores}, {memory}")]


def _gpu(_: Examination) -> Found:
    try:
        import torch
    except Exception as fault:
        reason = _one_line(fault)
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
        findings.append(Finding("gpu", OK, f"{gpu['name']}, {_gb(gpu['memory_bytes'])}, {bf16}"))
    if mps:
        findings.append(Finding("gpu", OK, "Apple GPU (MPS)"))
    if not gpus and shutil.which("nvidia-smi"):
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        step = "to use the GPU, update its driver, or install torch as pinned: uv sync"
        text = f"nvidia-smi is here, but torch (built {built}) sees no GPU"
        findings.append(Finding("gpu", NOTE, text, step))
    return facts, findings or [Finding("gpu", OK, "none; the tiny track needs none")]


def _python(_: Examination) -> Found:
    version = ".".join(map(str, sys.version_info[:3]))
    asked = _project().get("requires-python", "")
    facts = {"version": version, "required": asked or None}
    here = tuple(sys.version_info[:2])
    least, below = _bound(">=", asked), _bound("<", asked)
    if (least and here < least) or (below and here >= below):
        step = "make the environment anew with a Python that is supported: uv sync --python 3.12"
        return facts, [Finding("python", STOP, f"{version}, but {asked} is needed", step)]
    return facts, [Finding("python", OK, version + (f" (needed: {asked})" if asked else ""))]


def _packages(_: Examination) -> Found:
    project = _project()
    pins = [_named(line) for line in project.get("pins", [])]
    wanted = dict(_named(line) for line in project.get("dependencies", []))
    facts, findings = {}, []
    for name in [*PACKAGES, *(n for n in wanted if n not in PACKAGES)]:
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = None
        pinned = next((rest[2:] for n, rest in pins if n == name and rest[:2] == "=="), None)
        same = None if installed is None or pinned is None else _same(installed, pinned)
        fits = None if installed is None else _fits(installed, wanted.get(name))
        if name in PACKAGES:
            facts[name] = {"installed": installed, "pinned": pinned, "as_pinned": same}
        if installed is None:
            status = NOTE if name in FOR_NOTEBOOKS else STOP
            text = f"{name} is missing" + ("; the notebooks need it" if status == NOTE else "")
            findings.append(Finding("packages", status, text, INSTALL))
        elif fits is False:
            text = f"{name} {installed} is outside what the project allows ({wanted[name]})"
            findings.append(Finding("packages", NOTE, text, PINNED))
        elif same is False and name in PACKAGES:
            text = f"{name} is {installed}, pinned is {pinned}"
            findings.append(Finding("packages", NOTE, text, PINNED))
    here = ", ".join(f"{n} {f['installed']}" for n, f in facts.items() if f["installed"])
    if not pins:
        here += " (this installation has no pinned versions to compare with)"
    elif not findings:
        here += " (as pinned)"
    return facts, [Finding("packages", OK, here), *findings]


# --- profile and what it needs ------------------------------------------------------------


def _profile(done: Examination) -> Found:
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


def _room(done: Examination) -> Found:
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
    folders = {"here": Path.cwd(), "data": _ROOT / "data", "cache": _hub_cache()}
    free = {where: shutil.disk_usage(_existing(path)).free for where, path in folders.items()}
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
    return Finding("room", OK, f"{_gb(free)} of disk free here; what runs add is not known")


def _need(what: str, need: int, free: int, status: str, done: Examination) -> Finding:
    text = f"{what}: {_gb(need)} needed, {_gb(free)} there"
    if need <= free:
        return Finding("room", OK, text)
    if what.startswith("GPU"):
        return Finding("room", status, text, _use_tiny(done))
    room = "memory" if what.startswith("memory") else "disk"
    return Finding("room", status, text, f"make room: {_gb(need - free)} more of {room}")


def _weight_bytes(done: Examination) -> int | None:
    """Of the profile's 7B model in its dtype; None where the code does not know."""
    if done.known("profile", "model") not in WEIGHTS:
        return None
    width = BYTES.get(done.known("profile", "dtype") or "bfloat16")
    return None if width is None else width * PARAMETERS_7B


def _measured_peak(name: str) -> int | None:
    """Bytes that the hungriest notebook took with this profile; None where none was measured."""
    from r1aqa_helpers.files import read_json

    file = _ROOT / "data" / "course" / "notebooks.json"
    measured = read_json(file) if file.is_file() else {}
    peaks = [row[name]["peak_gb"] for row in measured.values() if name in row]
    return int(max(peaks) * GB) if peaks else None


def _use_tiny(done: Examination) -> str:
    step = "r1aqa reproduce --profile tiny"
    return f"run the tiny track: {step}" if done.known("profile", "name") != "tiny" else step


# --- what lies on this machine ------------------------------------------------------------


def _tiny_data(done: Examination) -> Found:
    """The committed files against their checksums, the weights' length, the rendered clips."""
    import hashlib

    from r1aqa_helpers.files import read_json

    folder = _ROOT / "data" / "tiny"
    # Another profile does without them; where none was picked, they are what is left.
    needed = done.known("profile", "tiny_questions") is not False
    fault_is = STOP if needed else NOTE
    try:
        sums = read_json(folder / "checksums.json")
    except Exception as fault:
        return {"error": _one_line(fault)}, [
            Finding("tiny_data", fault_is, _one_line(fault), RESTORE)
        ]
    wrong = []
    for name in sorted(sums):
        try:
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sums[name]:
                wrong.append(f"data/tiny/{name} differs from checksums.json")
        except OSError as fault:
            wrong.append(f"data/tiny/{name}: {fault.strerror or 'cannot be read'}")
    cut = _cut(folder / "model" / "model.safetensors")
    if cut:
        wrong.append(f"data/tiny/model/model.safetensors {cut}")
    findings = [Finding("tiny_data", fault_is, text, RESTORE) for text in wrong]
    facts: dict[str, Any] = {"faults": wrong}
    if wrong:
        return facts, findings
    clips, missing, to_render = 0, 0, 0.0
    for name in (n for n in sums if n.startswith("recipes/")):
        there = _names(folder / "audio" / Path(name).stem)
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            recipe = json.loads(line)
            clips += 1
            if f"{recipe['id']}.flac" not in there:
                missing += 1
                to_render += recipe["scene"]["seconds"]
    stamp = folder / "audio" / "rendered.json"
    current = missing == 0 and stamp.exists() and read_json(stamp) == sums
    facts |= {"clips": clips, "rendered": clips - missing, "up_to_date": current}
    facts["bytes_to_render"] = int(to_render * BYTES_PER_SECOND)
    if current:
        return facts, [Finding("tiny_data", OK, f"{clips} clips rendered, files unchanged")]
    text = f"{clips - missing} of {clips} clips rendered"
    if missing == 0:
        text += ", not all from the present recipes"
    if not needed:
        return facts, [Finding("tiny_data", OK, text)]
    step = "render the clips (the main job does it, too): r1aqa data prepare"
    return facts, [Finding("tiny_data", NOTE, text, step)]


def _cut(path: Path) -> str | None:
    """What is wrong with the length of a safetensors file; its header says how long it is."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            head = int.from_bytes(stream.read(8), "little")
            if head > size:
                return "is damaged"
            tensors = json.loads(stream.read(head))
        ends = [t["data_offsets"][1] for n, t in tensors.items() if n != "__metadata__"]
        return None if size == 8 + head + max(ends) else "is cut short or has too much"
    except OSError as fault:
        return f"cannot be read ({fault.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is damaged"


def _folders(done: Examination) -> Found:
    """Whether runs and clips, and where needed the Hub's cache, can be written."""
    wanted = {"runs": ("the folder that you are in", Path.cwd() / "runs")}
    if done.known("profile", "tiny_questions"):
        wanted["data"] = ("data/tiny", _ROOT / "data" / "tiny" / "audio")
    else:
        wanted["cache"] = ("the Hub's cache", _hub_cache())
    facts, findings = {}, []
    for key, (name, folder) in wanted.items():
        fault = _not_writable(folder)
        facts[key] = fault is None
        if fault:
            step = f"make {name} writable, or work in a copy elsewhere"
            findings.append(Finding("folders", STOP, f"{name} cannot be written: {fault}", step))
    if not findings:
        findings.append(
            Finding("folders", OK, "writable: " + ", ".join(n for n, _ in wanted.values()))
        )
    return facts, findings


def _not_writable(folder: Path) -> str | None:
    """Why no file can be made in a folder, or in the one that it would be made in."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return None
    except OSError as fault:
        return fault.strerror or type(fault).__name__


def _cache(done: Examination) -> Found:
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
        text += f" ({_gb(size)})" if size else ""
        if held != "complete" and tiny:
            text += "; the tiny track needs none"
        findings.append(Finding("cache", OK, text))
    mmau = repos.get(("dataset", MMAU))
    size = mmau.size_on_disk if mmau else 0
    ready = sorted(path.parent.name for path in Path("runs").glob("mmau-test-mini-*/source.json"))
    facts[MMAU] = {"cached": mmau is not None, "bytes": size, "ready": ready}
    text = f"MMAU ({MMAU}): {'in' if mmau else 'not in'} the local cache"
    text += f" ({_gb(size)})" if mmau else ""
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


# --- the Hub, the notebooks ---------------------------------------------------------------


def _hub(done: Examination) -> Found:
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


def _notebooks(done: Examination) -> Found:
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


#: In the order of the report; a probe may use what those before it found.
PROBES: tuple[tuple[str, Callable[[Examination], Found]], ...] = (
    ("machine", _machine),
    ("gpu", _gpu),
    ("python", _python),
    ("packages", _packages),
    ("profile", _profile),
    ("tiny_data", _tiny_data),
    ("folders", _folders),
    ("cache", _cache),
    ("hub", _hub),
    ("room", _room),
    ("notebooks", _notebooks),
)


# --- small things -------------------------------------------------------------------------


def _project() -> dict[str, Any]:
    """Python, dependencies and, in a checkout, pinned versions, as requirement lines."""
    file = _ROOT / "pyproject.toml"
    if file.is_file():
        try:
            import tomllib
        except ImportError:  # Python before 3.11: the one line that matters
            found = re.search(r'^requires-python = "(.*)"', file.read_text(encoding="utf-8"), re.M)
            return {"requires-python": found[1] if found else ">=3.11"}
        project = tomllib.loads(file.read_text(encoding="utf-8"))
        pins = project.get("tool", {}).get("uv", {}).get("constraint-dependencies", [])
        return {**project["project"], "pins": [line for line in pins if ";" not in line]}
    meta = importlib.metadata.metadata("r1aqa-helpers")
    lines = importlib.metadata.requires("r1aqa-helpers") or []
    return {
        "requires-python": meta["Requires-Python"] or "",
        "dependencies": [line for line in lines if ";" not in line],
    }


def _named(line: str) -> tuple[str, str]:
    """A requirement's name, as packages are compared, and the rest: versions."""
    name = re.match(r"[\w.-]*\w", line.strip())[0]
    rest = re.sub(r"\[.*?\]|\s", "", line.strip()[len(name) :])
    return re.sub(r"[-_.]+", "-", name).lower(), rest


def _same(installed: str, pinned: str) -> bool:
    """Whether a version is the pinned one; a build's own mark, as in 2.11.0+cu130, is left out."""
    return installed.partition("+")[0] == pinned


def _fits(installed: str, specifier: str | None) -> bool | None:
    """Whether a version is allowed; None where that cannot be told."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return None
    return None if specifier is None else SpecifierSet(specifier).contains(installed, True)


def _bound(sign: str, specifier: str) -> tuple[int, int] | None:
    found = re.search(rf"{sign}\s*(\d+)\.(\d+)", specifier)
    return (int(found[1]), int(found[2])) if found else None


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


def _hub_cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB"


def _one_line(fault: BaseException) -> str:
    """The kind of a fault and the first line of its text, printable."""
    text = (str(fault).splitlines() or [""])[0][:200]
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


def main(arguments: list[str] | None = None) -> int:
    """``python -m r1aqa_helpers.doctor [--json] [--offline]``; returns the exit status."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m r1aqa_helpers.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--offline", action="store_true", help="leave the Hub alone")
    options = parser.parse_args(arguments)
    done = examine(offline=options.offline)
    report = done.as_dict()
    print(json.dumps(report, ensure_ascii=False) if options.json else done.as_text())
    print(("error: " if done.stops else "") + done.verdict(), file=sys.stderr)
    return 1 if done.stops else 0


if __name__ == "__main__":
    sys.exit(main())
