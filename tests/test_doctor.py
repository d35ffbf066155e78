"""The doctor, on machines that are made up: what it finds, what it says, what it never does."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
import types
import webbrowser
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants
from typer.testing import CliRunner

from r1aqa_helpers import doctor
from r1aqa_helpers.cli import app
from r1aqa_helpers.doctor import Examination, Finding, examine
from r1aqa_helpers.doctor.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
A100 = ("NVIDIA A100-SXM4-40GB", (8, 0), 42_000_000_000)
T4 = ("Tesla T4", (7, 5), 15_800_000_000)
CHECKS = [name for name, _ in doctor.PROBES]
SECRET = "hf_thisIsNotToBeSeen"


def fake_torch(*gpus: tuple, mps: bool = False) -> types.ModuleType:
    torch = types.ModuleType("torch")
    torch.version = SimpleNamespace(cuda="13.0", hip=None)
    torch.backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps))
    torch.cuda = SimpleNamespace(
        is_available=lambda: bool(gpus),
        device_count=lambda: len(gpus),
        get_device_capability=lambda i: gpus[i][1],
        get_device_properties=lambda i: SimpleNamespace(name=gpus[i][0], total_memory=gpus[i][2]),
    )
    return torch


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A laptop without a GPU, an empty Hub cache, a Hub that answers, data as committed."""
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(doctor.hub, "_asked", lambda endpoint: None)
    monkeypatch.setattr(doctor.machine, "_memory", lambda: (16_000_000_000, 9_000_000_000))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(webbrowser, "get", lambda: None)
    free = SimpleNamespace(free=100_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    pins = dict(doctor.packages._named(line) for line in doctor.packages._project()["pins"])
    versions = {name: rest.removeprefix("==") for name, rest in pins.items()}
    with_markers = {"numpy": "2.5.5", "scipy": "1.18.1"}
    monkeypatch.setattr(importlib.metadata, "version", {**with_markers, **versions}.__getitem__)
    monkeypatch.chdir(tmp_path)
    return versions


def gpu(monkeypatch, *gpus: tuple, **fields: bool) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch(*gpus, **fields))


def texts(done: Examination, status: str) -> list[str]:
    return [finding.text for finding in done.findings if finding.status == status]


def in_cache(monkeypatch, files: dict[str, list[str]], folder: Path) -> None:
    """Checkpoints whose index names two shards, with the files that are given."""
    index = folder / "model.safetensors.index.json"
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index.write_text(json.dumps({"weight_map": shards}))

    def look(repo, name):
        if name not in files.get(repo, []):
            return None
        return str(index if name == index.name else folder / name)

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", look)


SHARDS = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
INDEX = "model.safetensors.index.json"


# --- machine, profile ---------------------------------------------------------------------


def test_a_laptop_runs_the_tiny_track():
    done = examine()
    assert texts(done, "stop") == [] and list(done.facts) == CHECKS
    assert done.facts["profile"]["name"] == "tiny"
    assert "tiny: there is no CUDA GPU" in texts(done, "ok")
    assert "none; the tiny track needs none" in texts(done, "ok")
    assert done.next[-1] == "run the main job: r1aqa reproduce"
    assert not (Path.cwd() / "runs").exists()  # it changes nothing


def computed(name: str) -> int:
    """Peak bytes of a profile, as committed."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "budgets.json").read_text())
    return stored["profiles"][name]["peak"]


def test_a_large_gpu_picks_the_full_track(monkeypatch):
    gpu(monkeypatch, A100)
    done = examine()
    assert texts(done, "stop") == []
    assert f"{A100[0]}, 42.0 GB, bf16" in texts(done, "ok")
    assert done.facts["gpu"]["cuda"][0] == {
        "name": A100[0], "memory_bytes": A100[2], "capability": "8.0", "bf16": True
    }  # fmt: skip
    assert done.facts["profile"]["name"] == "a100"
    assert done.facts["profile"]["why"] == f"{A100[0]}, 42.0 GB"
    needs = done.facts["room"]["needs"]
    assert needs["gpu_bytes_at_least"] == 2 * doctor.profile.PARAMETERS_7B
    assert needs["cache_disk_bytes"] == 2 * doctor.profile.PARAMETERS_7B
    assert needs["gpu_bytes_computed"] == computed("a100")
    fits = f"{needs['gpu_bytes_computed'] / 1e9:.1f} GB needed, 37.8 GB there"
    assert any(t.startswith("GPU memory (computed") and fits in t for t in texts(done, "ok"))
    assert "memory that the main job needs: not known" in texts(done, "ok")
    assert done.next == [
        "make the files of questions: r1aqa data convert-avqa, r1aqa data fetch mmau",
        "run the main job: r1aqa reproduce --train FILE --test FILE",
    ]


def test_a_gpu_without_bf16_gets_4_bits(monkeypatch):
    gpu(monkeypatch, T4)
    monkeypatch.setattr(doctor.profile, "find_spec", lambda name: None)
    done = examine()
    assert "Tesla T4, 15.8 GB, no bf16 (only emulated)" in texts(done, "ok")
    assert done.facts["profile"]["name"] == "t4" and done.facts["profile"]["quantise"] == "nf4"
    assert any("GB needed, 14.2 GB there" in text for text in texts(done, "ok"))
    (stop,) = done.stops
    assert stop.text == ("profile t4 holds weights in 4 bits, and bitsandbytes is not installed")
    assert "uv sync --extra quantised" in done.next[0]
    monkeypatch.setattr(doctor.profile, "find_spec", lambda name: name)
    assert examine().stops == []


def test_a_gpu_without_bf16_that_is_too_small(monkeypatch):
    gpu(monkeypatch, T4)
    done = examine("l4")
    assert "profile l4 computes in bfloat16, which Tesla T4 only emulates" in texts(done, "note")
    (stop,) = done.stops
    assert (
        stop.text.startswith("GPU memory for the weights alone") and "16.8 GB needed" in stop.text
    )
    assert done.next[0] == "take the profile for this GPU: --profile t4"
    assert examine("tiny").stops == []
    assert examine("tiny").next[-1] == "run the main job: r1aqa reproduce --profile tiny"


def test_a_gpu_on_which_the_computed_peak_does_not_fit(monkeypatch):
    gpu(monkeypatch, A100)
    done = examine("h100")
    assert done.stops == []
    (note,) = [text for text in texts(done, "note") if text.startswith("GPU memory")]
    assert f"{computed('h100') / 1e9:.1f} GB needed, 37.8 GB there" in note
    assert "take the profile for this GPU: --profile a100" in done.next


@pytest.mark.parametrize("name", ["l4", "h100", "multi-gpu"])
def test_the_full_track_without_a_gpu_stops(name):
    done = examine(name)
    assert texts(done, "stop") == [f"profile {name} wants a CUDA GPU, and torch sees none"]
    assert not any(step.startswith("run the main job") for step in done.next)
    assert examine("mps").stops[0].text == "profile mps wants Apple's GPU, and torch sees none"


def test_an_apple_gpu_is_named(monkeypatch):
    gpu(monkeypatch, mps=True)
    done = examine()
    assert done.facts["gpu"]["mps"] and "Apple GPU (MPS)" in texts(done, "ok")
    assert done.facts["gpu"]["cuda"] == []
    assert done.facts["profile"]["name"] in ("mps", "tiny")  # by this machine's memory
    assert done.facts["profile"]["why"].startswith("Apple's GPU, ")


def test_a_gpu_that_torch_does_not_see(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    expected = "nvidia-smi is here, but torch (built for CUDA 13.0) sees no GPU"
    assert expected in texts(examine(), "note")


def test_a_broken_torch_stops_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    done = examine()
    assert len(done.stops) == 1 and done.stops[0].text.startswith("torch does not import")
    assert done.facts["tiny_data"]["faults"] == []
    assert any(f.check == "profile" and "could not be found out" in f.text for f in done.findings)


@pytest.mark.parametrize("version", [(3, 10, 4), (3, 14, 0)])
def test_a_python_that_is_not_supported_stops(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    (stop,) = examine().stops
    assert stop.text == f"{'.'.join(map(str, version))}, but >=3.11,<3.14 is needed"


# --- packages -----------------------------------------------------------------------------


def test_versions_are_those_of_this_checkout(machine):
    facts = examine().facts["packages"]
    assert tuple(facts) == doctor.packages.PACKAGES
    assert facts["trl"] == {
        "installed": machine["trl"], "pinned": machine["trl"], "as_pinned": True
    }  # fmt: skip


def test_mismatching_versions_are_named(machine, monkeypatch):
    other = {**machine, "numpy": "2.5.5", "scipy": "1.18.1"}
    other |= {"trl": "1.0.0", "peft": "0.99", "torch": f"{machine['torch']}+cu130"}
    monkeypatch.setattr(importlib.metadata, "version", other.__getitem__)
    done = examine()
    found = [f.text for f in done.findings if f.check == "packages" and f.status == "note"]
    assert found == [
        f"trl 1.0.0 is outside what the project allows (=={machine['trl']})",
        f"peft is 0.99, pinned is {machine['peft']}",
    ]
    assert done.facts["packages"]["torch"]["as_pinned"] is True
    assert done.next.count(doctor.packages.PINNED) == 1


def test_missing_packages(machine, monkeypatch):
    def version(name):
        if name in ("peft", "rich", "jupyterlab"):
            raise importlib.metadata.PackageNotFoundError(name)
        return {**machine, "numpy": "2.5.5", "scipy": "1.18.1"}[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    done = examine()
    assert texts(done, "stop") == ["peft is missing", "rich is missing"]
    assert "jupyterlab is missing; the notebooks need it" in texts(done, "note")
    assert done.next[0] == doctor.findings.INSTALL


def test_without_a_checkout_the_ranges_count(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.places, "ROOT", tmp_path)
    lines = ["torch>=2.11,<2.12", "trl==1.16.0", 'colorama>=0.4; sys_platform == "win32"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda n: {"Requires-Python": ">=3.11"})
    monkeypatch.setattr(importlib.metadata, "version", {**machine, "trl": "1.17"}.__getitem__)
    done = examine()
    assert "trl 1.17 is outside what the project allows (==1.16.0)" in texts(done, "note")
    assert done.facts["packages"]["torch"]["pinned"] is None


# --- Hub and cache ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["option", "environment"])
def test_offline_asks_nobody(monkeypatch, how):
    monkeypatch.setattr(doctor.hub, "_asked", lambda endpoint: pytest.fail("it asked"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "environment")
    done = examine(offline=how == "option")
    assert done.facts["hub"]["answers"] is None
    reason = "--offline" if how == "option" else "HF_HUB_OFFLINE is set"
    assert f"not asked ({reason}); access token not set" in texts(done, "ok")
    assert done.stops == []
    gpu(monkeypatch, A100)
    status = "note" if how == "option" else "stop"  # not asked is not the same as not there
    missing = [f for f in examine(offline=how == "option").findings if doctor.hub.BASE_7B in f.text]
    assert status in {f.status for f in missing} and len({f.status for f in missing}) == 2


def test_a_silent_hub_matters_only_where_weights_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.hub, "_asked", lambda endpoint: "ConnectError")
    done = examine()
    assert "does not answer (ConnectError); access token not set" in texts(done, "note")
    assert done.stops == []
    gpu(monkeypatch, A100)
    (stop,) = examine().stops
    assert stop.text == (
        f"{doctor.hub.BASE_7B} is not in the local cache, and it cannot be fetched"
        " (the Hub does not answer)"
    )
    in_cache(monkeypatch, {doctor.hub.BASE_7B: [INDEX, *SHARDS]}, tmp_path)
    assert examine().stops == []


@pytest.mark.parametrize(
    ("files", "held"),
    [
        ([], "absent"),
        (["config.json"], "incomplete"),
        ([INDEX, *SHARDS[:1]], "incomplete"),
        ([INDEX, *SHARDS], "complete"),
        (["model.safetensors"], "complete"),
    ],
)
def test_weights_in_the_cache(monkeypatch, tmp_path, files, held):
    in_cache(monkeypatch, {"mispeech/r1-aqa": files}, tmp_path)
    facts = examine().facts["cache"]
    assert facts["mispeech/r1-aqa"]["weights"] == held
    assert facts[doctor.hub.BASE_7B]["weights"] == "absent"


def test_an_index_cannot_name_other_files(monkeypatch, tmp_path):
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../outside.safetensors"}}))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, name: str(index))
    assert examine().facts["cache"]["mispeech/r1-aqa"]["weights"] == "incomplete"


def test_mmau_in_the_cache(monkeypatch, tmp_path):
    repo = SimpleNamespace(repo_type="dataset", repo_id=doctor.hub.MMAU, size_on_disk=1_500_000_000)
    scanned = SimpleNamespace(repos=[repo])
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: scanned)
    ready = tmp_path / "runs" / "mmau-test-mini-v1"
    ready.mkdir(parents=True)
    (ready / "source.json").write_text("{}")
    done = examine()
    assert done.facts["cache"][doctor.hub.MMAU] == {
        "cached": True, "bytes": 1_500_000_000, "ready": ["mmau-test-mini-v1"]
    }  # fmt: skip
    assert any("in the local cache (1.5 GB); made ready in runs" in t for t in texts(done, "ok"))


def test_the_question_to_the_hub(monkeypatch):
    monkeypatch.undo()  # the real _asked
    seen = []

    def session(status):
        def head(url, timeout):
            seen.append((url, timeout))
            if status is None:
                raise ConnectionError(f"https://user:{SECRET}@example.invalid")
            return SimpleNamespace(status_code=status)

        return lambda: SimpleNamespace(head=head)

    expected = {200: None, 302: None, 503: "status 503", None: "ConnectionError"}
    for status, answer in expected.items():
        monkeypatch.setattr(huggingface_hub, "get_session", session(status))
        assert doctor.hub._asked("https://example.invalid") == answer
    assert seen[0] == ("https://example.invalid", doctor.hub.HUB_TIMEOUT)


def test_a_hub_that_hangs_is_given_up(monkeypatch):
    import threading

    monkeypatch.undo()
    forever = threading.Event()
    hanging = SimpleNamespace(head=lambda *_, **__: forever.wait(30))
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: hanging)
    monkeypatch.setattr(doctor.hub, "HUB_LIMIT", 0.05)
    assert doctor.hub._asked("https://example.invalid") == "nothing within 0.05 s"
    forever.set()


def test_no_secret_is_shown(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: SECRET)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    done = examine()
    assert done.facts["hub"]["token"] == "set"
    assert SECRET not in done.as_text() + json.dumps(done.as_dict())


# --- data, folders, room ------------------------------------------------------------------


@pytest.fixture
def data(monkeypatch, tmp_path) -> Path:
    """A small ``data/tiny`` with three clips, none rendered; returns its folder."""
    import hashlib

    monkeypatch.setattr(doctor.places, "ROOT", tmp_path)
    folder = tmp_path / "data" / "tiny"
    (folder / "recipes").mkdir(parents=True)
    (folder / "model").mkdir()
    rows = [{"id": f"q{n}", "scene": {"seconds": 2.0}} for n in range(3)]
    recipes = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "recipes" / "train.jsonl").write_text(recipes)
    (folder / "questions.jsonl").write_text("{}\n")
    names = ("recipes/train.jsonl", "questions.jsonl")
    sums = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    (folder / "checksums.json").write_text(json.dumps(sums))
    head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    weights = len(head).to_bytes(8, "little") + head + bytes(8)
    (folder / "model" / "model.safetensors").write_bytes(weights)
    monkeypatch.setattr(doctor.packages, "_project", lambda: {"requires-python": ">=3.11"})
    return folder


def test_clips_to_render_and_rendered(data):
    done = examine()
    assert done.facts["tiny_data"]["bytes_to_render"] == 3 * 64_000
    assert "0 of 3 clips rendered" in texts(done, "note") and done.stops == []
    assert "render the clips (the main job does it, too): r1aqa data prepare" in done.next
    clips = data / "audio" / "train"
    clips.mkdir(parents=True)
    for number in range(3):
        (clips / f"q{number}.flac").touch()
    assert any("not all from the present recipes" in text for text in texts(examine(), "note"))
    (data / "audio" / "rendered.json").write_text((data / "checksums.json").read_text())
    assert "3 clips rendered, files unchanged" in texts(examine(), "ok")


def test_broken_data_stop(data):
    (data / "questions.jsonl").write_text("changed")
    (data / "recipes" / "train.jsonl").unlink()
    weights = data / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = examine()
    assert texts(done, "stop") == [
        "data/tiny/questions.jsonl differs from checksums.json",
        "data/tiny/recipes/train.jsonl: No such file or directory",
        "data/tiny/model/model.safetensors is cut short or has too much",
    ]
    assert done.next[0] == doctor.data.RESTORE
    for content in (b"", b"version https://git-lfs", b"\2\0\0\0\0\0\0\0[]"):
        weights.write_bytes(content)
        assert doctor.data._cut(weights) == "is damaged"
    assert [f.status for f in examine("l4").findings if f.check == "tiny_data"] == ["note"] * 3
    (data / "checksums.json").unlink()
    assert "checksums.json: no such file" in examine().stops[0].text


def test_a_folder_that_cannot_be_written(monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert texts(examine(), "stop") == [
        "the folder that you are in cannot be written: Permission denied",
        "data/tiny cannot be written: Permission denied",
    ]


def test_too_little_room(monkeypatch, data):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    assert texts(examine(), "stop") == ["disk for the clips (at most): 0.0 GB needed, 0.0 GB there"]


def test_little_memory_is_told(monkeypatch):
    monkeypatch.setattr(doctor.machine, "_memory", lambda: (2_000_000_000, 500_000_000))
    done = examine()
    assert any("0.5 GB there" in text for text in texts(done, "note")) and done.stops == []


def test_what_is_written_down_twice_is_equal(monkeypatch):
    monkeypatch.undo()  # the real torch
    from r1aqa_helpers.budgets import HEADROOM
    from r1aqa_helpers.models.costs import config_7b, parameters

    assert parameters(config_7b())["total"] == doctor.profile.PARAMETERS_7B
    assert doctor.profile.HEADROOM == HEADROOM


# --- the report ---------------------------------------------------------------------------


def test_no_probe_brings_it_down(monkeypatch):
    def broken(done):
        raise RuntimeError("first\nsecond \x1b[31m")

    monkeypatch.setattr(doctor.examination, "PROBES", tuple((name, broken) for name in CHECKS))
    done = examine()
    assert [f.check for f in done.findings] == CHECKS
    assert {f.text for f in done.findings} == {"could not be found out: RuntimeError: first"}


def test_next_steps_are_ordered_and_told_once():
    findings = [
        Finding("a", "note", "x", "later"),
        Finding("b", "stop", "y", "now"),
        Finding("c", "ok", "z"),
        Finding("d", "stop", "y", "now"),
    ]
    done = Examination(findings=findings)
    assert done.next == ["now", "later"]
    assert done.verdict() == "the main job cannot run here yet: 2 findings above marked stop"


def test_the_command(monkeypatch):
    result = CliRunner().invoke(app, ["doctor", "--json", "--offline"])
    report = json.loads(result.stdout)
    assert result.exit_code == 0 and result.stderr == "the main job can run\n"
    assert list(report) == ["main_job_can_run", "checks", "findings", "next"]
    assert report["main_job_can_run"] is True and list(report["checks"]) == CHECKS
    assert all(list(f) == ["check", "status", "text", "next"] for f in report["findings"])

    text = CliRunner().invoke(app, ["doctor", "--profile", "l4"])
    assert text.exit_code == 1
    assert "stop  profile" in text.stdout and "  1. run the tiny track" in text.stdout
    assert text.stderr == "error: the main job cannot run here yet: 1 finding above marked stop\n"
    unknown = CliRunner().invoke(app, ["doctor", "--profile", "huge"])
    assert unknown.exit_code == 1 and "unknown, choose one of" in unknown.stderr


def test_it_starts_without_any_package():
    """Also where the command line itself cannot be imported."""
    code = "import sys, r1aqa_helpers.doctor.__main__; print([m for m in sys.modules if m in %r])"
    foreign = ["typer", "numpy", "torch", "rich", "huggingface_hub", "packaging", "transformers"]
    command = [sys.executable, "-S", "-c", code % foreign]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_module_is_a_command(capsys):
    assert main(["--json", "--offline"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["main_job_can_run"]
    assert captured.err == "the main job can run\n"
