"""Finished models beside the published rows: what is written, resumed, and refused in one line."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.data import identify, read_questions
from r1aqa_helpers.data.mmau.prepare import fetch_mmau, find_questions
from r1aqa_helpers.data.mmau.releases import RELEASES, content_hash
from r1aqa_helpers.evaluation.local import Prediction
from r1aqa_helpers.experiments import compare as job
from r1aqa_helpers.experiments import session
from r1aqa_helpers.experiments.compare import RELEASED_MODEL, compare
from r1aqa_helpers.hardware import Profile
from r1aqa_helpers.models import LoadedModel, save
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import append_jsonl, read_json, read_log, write_json

ROWS = [("direct", 1), ("direct", 2), ("zero-shot-cot", 3), ("trained", 2)]
FOLDERS = ("direct-1", "direct-2", "zero-shot-cot", "trained")
SERVER = "http://localhost:1/v1"


@pytest.fixture(scope="module")
def test_file(make_questions):
    return make_questions(6)[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> str:
    """Another model than the profile's."""
    from r1aqa_helpers.tiny.build import random_tiny

    folder = tmp_path_factory.mktemp("models") / "my own run"
    save(LoadedModel(*random_tiny(1), "other"), folder)
    return str(folder)


@pytest.fixture(scope="module")
def as_v1(test_file):
    """As if the six questions were a release of MMAU."""
    asked = read_questions(test_file)
    ids = hashlib.sha256(json.dumps(sorted(q.id for q in asked)).encode()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RELEASES, "v1", (ids, content_hash(asked)))
        yield identify(asked, test_file)


def run(profile: Profile, test_file: Path, out: Path | None, **options) -> tuple[dict | None, str]:
    """The results, and what was printed."""
    stream = io.StringIO()
    console = Console(file=stream, width=100)
    return compare(profile, test_file, out, console=console, **options), stream.getvalue()


@pytest.fixture(scope="module")
def whole(random_profile, test_file, trained, as_v1, tmp_path_factory) -> tuple[Path, str]:
    """The folder of an undisturbed run, and what it printed; read only."""
    runs = tmp_path_factory.mktemp("runs")
    results, printed = run(random_profile, test_file, None, trained=trained, runs=runs)
    out = runs / "test-mmau-test-mini-v1"
    assert read_json(out / "results.json") == results
    return out, printed


def test_rows_have_their_questions_and_like_ones_a_verdict(whole, as_v1, trained):
    out, printed = whole
    results = read_json(out / "results.json")
    assert [(row["method"], row["prompt"]) for row in results["rows"]] == ROWS
    assert results["test_set"] == as_v1.as_dict() and results["test_set"]["release"] == "v1"
    assert all(row["test_sha256"] == as_v1.sha256 for row in results["rows"])
    assert all(row["n"] == 6 and row["missing"] == 0 for row in results["rows"])
    assert results["rows"][-1]["model"] == trained
    # Only what was trained has a published row with its method and prompt.
    (verdict,), row = results["verdicts"], results["rows"][-1]
    assert (verdict["method"], verdict["prompt"]) == ROWS[-1]
    assert list(verdict["parts"]) == ["average", "sound", "music", "speech"]
    average = verdict["parts"]["average"]
    assert average["measured"] == row["average"] and average["ci95"] == row["ci95"]
    low, high = row["ci95"]
    assert (average["verdict"] == "reproduced") == (low <= average["published"] <= high)
    pairs = [(c["a"], c["a_prompt"], c["b"], c["b_prompt"]) for c in results["comparisons"]]
    assert pairs == [("trained", 2, *ROWS[n]) for n in (1, 0, 2)]
    assert f"Questions: {as_v1.text}" in printed
    for folder, (_, prompt) in zip(FOLDERS, ROWS, strict=True):
        assert len(read_json(out / folder / "predictions.json")) == 6
        about = read_json(out / folder / "predictions.json.about.json")
        assert about["test_set"] == as_v1.as_dict() and about["prompt"] == prompt
    assert as_v1.sha256[:12] in (out / "report.html").read_text(encoding="utf-8")


def test_a_finished_run_is_kept_and_another_comparison_is_refused(
    random_profile, test_file, trained, whole, make_questions
):
    out, _ = whole
    before = read_json(out / "results.json")
    times = {path: path.stat().st_mtime_ns for path in out.glob("*/log.jsonl")}
    assert run(random_profile, test_file, out, trained=trained)[0] == before
    assert len(times) == 4
    for changes, file, options, fault in (
        ({}, make_questions(5)[1], {"trained": trained}, "test"),
        ({}, test_file, {"trained": random_profile.model}, "trained"),
        ({"model": trained}, test_file, {"trained": trained}, "base"),
        ({"max_new_tokens": 5}, test_file, {"trained": trained}, "settings"),
        ({}, test_file, {"endpoint": SERVER, "base": "m"}, "settings"),
    ):
        with pytest.raises(UserError, match=f"holds a run with {fault}.*choose another --out"):
            run(replace(random_profile, **changes), file, out, **options)
    assert read_json(out / "results.json") == before
    assert all(path.stat().st_mtime_ns == then for path, then in times.items())


def test_an_interrupted_run_goes_on(
    random_profile, test_file, trained, whole, tmp_path, monkeypatch
):
    """Cut in the middle of the trained model's answers, the rest gives the same."""
    out, answered = tmp_path / "cut", []
    names = session.answer_questions.__globals__
    append = names["append_jsonl"]

    def cut(path, row):
        append(path, row)
        answered.append(path.parent.name)
        if answered.count("trained") == 3:  # the header and two answers
            raise KeyboardInterrupt

    for where in (names, names["open_log"].__globals__):
        monkeypatch.setitem(where, "append_jsonl", cut)
    with pytest.raises(KeyboardInterrupt):
        run(random_profile, test_file, out, trained=trained)
    monkeypatch.undo()
    assert not (out / "results.json").exists()
    assert len(read_log(out / "trained" / "log.jsonl")) == 3
    first = {path: path.stat().st_mtime_ns for path in out.glob("[dz]*/log.jsonl")}
    results, _ = run(random_profile, test_file, out, trained=trained)
    assert all(path.stat().st_mtime_ns == then for path, then in first.items()) and len(first) == 3
    expected = read_json(whole[0] / "results.json")
    for row in (*results["rows"], *expected["rows"]):
        del row["seconds"]
    assert results == expected


def test_minutes_end_between_rows(random_profile, test_file, trained, tmp_path):
    results, printed = run(random_profile, test_file, tmp_path / "run", trained=trained, minutes=0)
    assert results is None
    assert "0 minutes are over; the same command goes on from here." in printed


def test_a_server_s_missing_answers_count_as_wrong_and_earlier_rows_are_kept(
    random_profile, test_file, tmp_path, monkeypatch
):
    asked = []

    def answer(server, questions, *, prompt, log):
        """Correct, but for the first question, which gets no answer."""
        rows = [{"id": q.id, "response": q.answer, "seconds": 0.5, "seconds_cut": 0.0,
                 "asked": "this"} for q in questions[1:]]  # fmt: skip
        for row in ({"model": server.model}, *rows):
            append_jsonl(log, row)
        asked.append((server.model, prompt))
        return [Prediction(row["id"], row["response"], 0.5) for row in rows]

    monkeypatch.setattr(job, "answer_at_endpoint", answer)
    out = tmp_path / "run"
    results, printed = run(random_profile, test_file, out, trained="big", endpoint=SERVER)
    assert [row["method"] for row in results["rows"]] == ["trained"]
    assert results["rows"][0]["missing"] == 1 and results["rows"][0]["average"] == 500 / 6
    assert results["endpoint"] == SERVER and "hardware" not in results
    assert "trained <2>: 1 of 6 questions have no answer and count as wrong" in printed
    results, printed = run(random_profile, test_file, out, base="small", endpoint=SERVER)
    assert asked == [("big", 2), ("small", 1), ("small", 2), ("small", 3)]
    assert [(row["method"], row["prompt"]) for row in results["rows"]] == ROWS
    assert results["rows"][-1]["model"] == "big" and results["rows"][-1]["missing"] == 1
    # Without its log a row is not there, rather than one of nothing.
    (out / "trained" / "log.jsonl").unlink()
    results, _ = run(random_profile, test_file, out, base="small", endpoint=SERVER)
    assert [(row["method"], row["prompt"]) for row in results["rows"]] == ROWS[:3]
    assert not (out / "trained" / "log.jsonl").exists()


# --- names of sets ------------------------------------------------------------------------


@pytest.fixture
def fetched(test_file, as_v1, tmp_path) -> Path:
    """Where releases are fetched to, with v1 in it."""
    fetch_mmau("v1", test_file, tmp_path / "runs" / "mmau-test-mini-v1")
    return tmp_path / "runs"


def test_a_name_leads_to_what_was_fetched_and_a_fault_says_the_command(fetched, test_file, as_v1):
    def fault(name: str = "mmau-test-mini-v1") -> str:
        with pytest.raises(UserError) as caught:
            find_questions(name, fetched)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    path = fetched / "mmau-test-mini-v1" / "mmau-test-mini-v1.json"
    assert find_questions("mmau-test-mini-v1", fetched) == path
    assert find_questions(str(fetched / "mmau-test-mini-v1")) == path
    assert find_questions(str(test_file), fetched) == test_file
    assert identify(read_questions(path), path) == as_v1

    for name in ("mmau", "no/such.json", "mmau-test-mini-../v1", "a\nb"):
        assert "mmau-test-mini-v1, mmau-test-mini-v05.15.25, or the path" in fault(name)
    assert "r1aqa data fetch mmau --version v05.15.25" in fault("mmau-test-mini-v05.15.25")
    path.parent.rename(fetched / "mmau-test-mini-v05.15.25")
    assert "holds 'v1' of MMAU, not v05.15.25" in fault("mmau-test-mini-v05.15.25")
    (fetched / "mmau-test-mini-v05.15.25").rename(path.parent)
    path.write_text(path.read_text().replace("What", "When"))
    assert "is not as it was fetched" in fault()
    path.with_name("source.json").unlink()
    assert fault().endswith("r1aqa data fetch mmau --version v1")


# --- the command --------------------------------------------------------------------------


def call(*arguments: object):
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


def test_wrong_input_is_one_line_before_any_work(monkeypatch, test_file, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "load_for", lambda *_, **__: pytest.fail("a model was loaded"))
    monkeypatch.setattr(job, "answer_at_endpoint", lambda *_, **__: pytest.fail("was asked"))
    rows, gone = read_json(test_file), test_file.with_name("gone.json")
    lost = [{**row, "audio_id": f"./gone/{n}.wav"} for n, row in enumerate(rows[:2])]
    write_json(gone, [*rows[2:], *lost])
    tiny = ("--profile", "tiny", "--questions")
    own = ("--trained", "my/model")
    endpoint = ("--endpoint", SERVER)
    for arguments, fault in (
        ((*tiny, "mmau-test-mini-v1", *own), "r1aqa data fetch mmau --version v1"),
        ((*tiny, test_file, "--test", "a.json"), "give either these or --questions"),
        ((*tiny, test_file), "name one with --trained"),
        (("--profile", "tiny", "--trained", SERVER), "add --questions"),
        ((*tiny, test_file, *endpoint), "say which model to ask there"),
        ((*tiny, test_file, "--endpoint", "x", "--model", "m"), "no http or https address"),
        ((*tiny, gone, *own), "2 of 6 recordings are not there, the first: "),
    ):
        result = call(*arguments)
        assert result.exit_code == 1 and fault in result.stderr, (fault, result.output)
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_the_command_passes_its_options_on(monkeypatch, test_file, tmp_path):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(job, "compare", lambda *a, **k: seen.append((a, k)))
    clips = test_file.parent / "clips"
    assert call("--profile", "tiny", "--questions", test_file, "--trained", "mine", "--model", "m",
                "--out", "here", "--seed", 3, "--minutes", 2, "--audio-dir", clips,
                "--endpoint", SERVER).exit_code == 0  # fmt: skip
    ((profile, questions, out), options) = seen[0]
    assert (profile.name, questions, out) == ("tiny", test_file, Path("here"))
    assert options == {
        "base": "m", "trained": "mine", "endpoint": SERVER, "audio_dir": clips,
        "seed": 3, "minutes": 2,
    }  # fmt: skip


def test_the_released_model_stands_beside_the_7b_base(random_profile):
    seven = replace(random_profile, model="Qwen/Qwen2-Audio-7B-Instruct")
    models = job._models(seven, None, None, None)
    assert models == {"base": "Qwen/Qwen2-Audio-7B-Instruct", "trained": RELEASED_MODEL}
    assert [m.name for m in job._methods("trained", RELEASED_MODEL)] == ["r1-aqa"]
