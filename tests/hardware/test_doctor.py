"""The doctor on simulated machines: what it finds, what it says, what it never does."""

import importlib.metadata
import json
import shutil
import sys
import tempfile
import types
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.hardware import doctor
from r1aqa_helpers.hardware.budgets import budget
from r1aqa_helpers.hardware.doctor import QWEN2_AUDIO, Report, examine

A100 = ("NVIDIA A100-SXM4-40GB", (8, 0), 42_000_000_000)
T4 = ("Tesla T4", (7, 5), 15_800_000_000)
SECRET = "hf_thisIsNotToBeSeen"


def gpu(monkeypatch, *gpus: tuple, mps: bool = False) -> None:
    """Make torch see these: name, compute capability, bytes."""
    torch = types.ModuleType("torch")
    torch.version = SimpleNamespace(cuda="13.0", hip=None)
    torch.backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: mps))
    torch.cuda = SimpleNamespace(
        is_available=lambda: bool(gpus),
        device_count=lambda: len(gpus),
        get_device_capability=lambda i: gpus[i][1],
        get_arch_list=lambda: ["sm_75", "sm_80", "sm_90a", "compute_120"],
        get_device_properties=lambda i: SimpleNamespace(name=gpus[i][0], total_memory=gpus[i][2]),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)


def hub(monkeypatch, answer: int | Exception) -> None:
    """A Hub that answers with a status, or fails."""

    def head(url, timeout):
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(status_code=answer)

    monkeypatch.setattr(huggingface_hub, "get_session", lambda: SimpleNamespace(head=head))


def cached(monkeypatch, **sizes: int) -> None:
    repos = [SimpleNamespace(repo_id=name, size_on_disk=size) for name, size in sizes.items()]
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: SimpleNamespace(repos=repos))


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A laptop without a GPU, an empty cache, a Hub that answers; the pinned versions."""
    gpu(monkeypatch)
    hub(monkeypatch, 200)
    cached(monkeypatch)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(doctor, "find_spec", lambda name: name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100 * 10**9))
    versions = doctor._project()[1]
    monkeypatch.setattr(importlib.metadata, "version", versions.__getitem__)
    monkeypatch.chdir(tmp_path)
    return versions


def texts(report: Report, status: str) -> list[str]:
    return [finding.text for finding in report.findings if finding.status == status]


def test_a_laptop_runs_the_tiny_track():
    report = examine()
    assert report.stops == [] and report.profile.name == "tiny"
    assert list(dict.fromkeys(f.check for f in report.findings)) == list(doctor.CHECKS)
    assert "tiny: there is no CUDA GPU" in texts(report, "ok")
    assert report.next[-1] == "run the main job: r1aqa reproduce"
    assert list(Path.cwd().iterdir()) == []  # it changes nothing


def test_a_large_gpu_picks_the_7b_model(monkeypatch):
    gpu(monkeypatch, A100)
    report = examine()
    assert report.stops == [] and report.profile.name == "a100"
    assert report.missing == budget("a100").stages["answering"]["weights"]
    assert report.next[-1] == "run the main job: r1aqa reproduce --train FILE --test FILE"


def test_a_small_gpu(monkeypatch):
    gpu(monkeypatch, T4)
    assert examine().profile.quantise == "nf4" and examine().stops == []
    report = examine("l4")
    assert any("bfloat16 by emulation only" in text for text in texts(report, "note"))
    assert [stop.text for stop in report.stops] == [
        "the weights alone take 16.8 GB, and the GPU has 15.8 GB"
    ]
    assert report.next[0] == "take the profile for this machine: --profile t4"
    assert examine("tiny").next[-1] == "run the main job: r1aqa reproduce --profile tiny"
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert "bitsandbytes is not installed" in examine().stops[0].text


@pytest.mark.parametrize(
    ("capability", "fine"),
    [((6, 0), False), ((7, 0), False), ((7, 5), True), ((8, 9), True), ((10, 0), False),
     ((12, 1), True)],
)  # fmt: skip
def test_a_gpu_that_torch_was_not_built_for_stops(monkeypatch, capability, fine):
    gpu(monkeypatch, ("Tesla V100", capability, 32_000_000_000))
    stops = examine("tiny").stops
    assert bool(stops) != fine
    if fine:
        return
    assert stops[0].text.startswith("Tesla V100: the installed torch has no code for it (it has")
    # PyTorch 2.11's support matrix: code for Pascal and Volta is in builds for CUDA 12.6 alone.
    build = "cu126" if capability < (7, 5) else "auto"
    assert f"--torch-backend={build} " in stops[0].next
    assert "export UV_NO_SYNC=1" in stops[0].next  # or the next `uv run` brings the pinned one back
    assert "export CUDA_VISIBLE_DEVICES=" in stops[0].next


def test_what_a_t4_lacks_is_said_and_several_gpus_need_the_launcher(monkeypatch):
    gpu(monkeypatch, T4)
    report = examine()
    assert "Tesla T4, 15.8 GB, float16 and no bfloat16" in texts(report, "ok")
    assert not any("accelerate launch" in step for step in report.next)
    gpu(monkeypatch, A100, A100)
    report = examine()
    assert "2 GPUs: one process uses the first" in texts(report, "note")
    assert any("accelerate launch" in step for step in report.next)
    assert not any("bfloat16" in text for text in texts(report, "ok"))


def test_an_apple_gpu_and_one_that_torch_does_not_see(monkeypatch):
    gpu(monkeypatch, mps=True)
    report = examine()
    assert "Apple GPU (MPS)" in texts(report, "ok")
    assert any("PYTORCH_ENABLE_MPS_FALLBACK=1" in step for step in report.next)
    gpu(monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    report = examine()
    assert any("built for CUDA 13.0) sees no GPU" in text for text in texts(report, "note"))
    # Not the same build again, which needs the newer driver.
    (step,) = [one for one in report.next if "580 or newer" in one]
    assert "--torch-backend=auto" in step and "export UV_NO_SYNC=1" in step
    sys.modules["torch"].version.cuda = None
    (step,) = [one for one in examine().next if one.startswith("to use the GPU, install a build")]
    assert "export UV_NO_SYNC=1" in step


def test_a_broken_torch_stops_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    report = examine()
    assert report.stops[0].text.startswith("torch does not import")
    assert [f.status for f in report.findings if f.check == "profile"] == ["note"]
    assert report.findings[-1].check == "disk"


def test_packages_that_are_missing_or_differ_from_the_pins(machine, monkeypatch):
    def version(name):
        if name in ("rich", "jupyterlab"):
            raise importlib.metadata.PackageNotFoundError(name)
        other = {"peft": "0.99", "torch": f"{machine['torch']}+cu130"}
        return other.get(name, machine[name])

    monkeypatch.setattr(importlib.metadata, "version", version)
    report = examine()
    assert texts(report, "stop") == ["rich is missing"]
    notes = texts(report, "note")
    assert "jupyterlab is missing; the notebooks need it" in notes
    assert f"peft is 0.99, pinned is {machine['peft']}" in notes
    assert doctor.package_versions()["torch"]["as_pinned"] is True
    assert report.next.count(doctor.PINNED) == 1


@pytest.mark.parametrize(
    "answer",
    [503, ConnectionError(f"https://user:{SECRET}@example.invalid"), OfflineModeIsEnabled()],
)
def test_a_hub_that_fails_matters_only_where_weights_are_missing(monkeypatch, answer):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: SECRET)
    hub(monkeypatch, answer)
    report = examine()
    assert report.stops == [] and any("does not answer" in text for text in texts(report, "note"))
    assert any("access token set" in text for text in texts(report, "note"))
    gpu(monkeypatch, A100)
    (stop,) = examine().stops
    assert stop.text.startswith(f"{QWEN2_AUDIO} is not whole in the local cache")
    assert SECRET not in examine().as_text() + json.dumps(examine().as_dict())
    cached(monkeypatch, **{QWEN2_AUDIO: 17 * 10**9})
    assert examine().stops == []


def test_broken_data_stop_where_the_profile_needs_them(monkeypatch, tmp_path):
    left_out = shutil.ignore_patterns("audio", "reference_run", "*model")
    shutil.copytree(doctor.ROOT / "data/tiny", tmp_path / "data/tiny", ignore=left_out)
    monkeypatch.setattr(doctor, "_project", lambda: ([], {}))
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    folder = tmp_path / "data" / "tiny"
    report = examine()
    assert report.stops == [] and "clips not rendered" in " ".join(texts(report, "note"))
    (folder / "audio").mkdir()
    shutil.copy(folder / "checksums.json", folder / "audio" / "rendered.json")
    assert "clips rendered" in texts(examine(), "ok")
    (folder / "tiny-mmau.json").write_text("changed")
    (folder / "recipes" / "train.jsonl").unlink()
    report = examine()
    assert [stop.next for stop in report.stops] == [doctor.RESTORE] * 2
    for name in ("tiny-mmau.json", "recipes/train.jsonl"):
        assert any(name in stop.text for stop in report.stops)
    gpu(monkeypatch, A100)
    assert examine("a100").stops == []


def test_a_folder_that_cannot_be_written_and_a_full_disk(monkeypatch):
    gpu(monkeypatch, A100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    (stop,) = examine().stops
    assert "the model takes 16.8 GB" in stop.text and stop.next.startswith("free 15.8 GB")

    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert "this folder cannot be written: Permission denied" in texts(examine("tiny"), "stop")


def test_no_check_brings_it_down(monkeypatch):
    def broken(report):
        raise RuntimeError("first\nsecond \x1b[31m")

    monkeypatch.setattr(doctor, "CHECKS", dict.fromkeys(doctor.CHECKS, broken))
    report = examine()
    assert [f.check for f in report.findings] == list(doctor.CHECKS)
    assert {f.text for f in report.findings} == {"the check failed: RuntimeError: first"}


def test_the_command():
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 0 and result.stderr == "the main job can run\n"
    assert report["main_job_can_run"] and report["findings"]
    text = CliRunner().invoke(app, ["doctor", "--profile", "l4"])
    assert "profile l4: wants a CUDA GPU" in text.stdout
    assert text.exit_code == 1 and "stop  profile" in text.stdout
    assert len(text.stderr.splitlines()) == 1
