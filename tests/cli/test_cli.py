"""The command line: contracts, exit codes, and one line for what the user can fix."""

import errno
import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Annotated
from unittest.mock import Mock
from unittest.mock import call as mock_call

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.cli.evaluate import ManyChoices
from r1aqa_helpers.hardware import TINY_PROFILE
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json, write_json, write_jsonl

COMMANDS = {
    "reproduce", "evaluate", "score", "ask", "quiz", "probe", "cascade", "table", "push", "doctor",
    "lab", "train grpo", "train sft", "train method", "data prepare", "data audit",
    "data convert-avqa", "data fetch mmau", "data fetch avqa", "experiment run",
    "experiment summary",
}  # fmt: skip


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def succeed(*arguments: object):
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def fail(*arguments: object) -> str:
    """The one line on stderr of a reported failure."""
    result = call(*arguments)
    assert result.exit_code == 1, (result.output, result.exception)
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    return lines[0]


@pytest.fixture
def test_file(make_questions):
    return make_questions()[1]


@pytest.fixture
def evaluate(random_model_dir, test_file, tmp_path):
    """Arguments of an evaluation that works; others are added."""
    return ["evaluate", "--model", random_model_dir, "--questions", test_file,
            "--out", tmp_path / "out" / "predictions.json"]  # fmt: skip


# --- usage --------------------------------------------------------------------------------


def test_every_command_explains_itself():
    def walk(command, *path: str) -> set[str]:
        usage = succeed(*path, "--help").stdout
        assert usage.startswith(" ".join(["Usage: r1aqa", *path])) and "--help" in usage
        inner = getattr(command, "commands", None)
        if inner is None:
            return {" ".join(path)}
        return {name for each in inner for name in walk(inner[each], *path, each)}

    assert walk(typer.main.get_command(app)) == COMMANDS


def test_help_loads_no_large_library():
    code = (
        "import sys; from r1aqa_helpers.cli import app;"
        "app(['evaluate', '--help'], standalone_mode=False);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'scipy', 'openai')))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["evaluate"],
        ["evaluate", "--prompt", "4"],
        ["reproduce", "--seed", "x"],
        ["reproduce", "--minutes", "-1"],
        ["ask", "--audio", "a.wav", "--question", "?", "--choices"],
        ["train", "dpo"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments):
    result = call(*arguments)
    assert result.exit_code == 2 and result.stdout == "" and "Error: " in result.stderr


@pytest.fixture
def preparing(monkeypatch):
    """Has ``data prepare`` call another function."""
    return partial(monkeypatch.setattr, "r1aqa_helpers.tiny.data.prepare")


def test_an_interruption_is_one_line_and_a_defect_is_not_hidden(preparing):
    preparing(Mock(side_effect=KeyboardInterrupt))
    result = call("data", "prepare")
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted: the same command goes on from here"
    preparing(Mock(side_effect=ZeroDivisionError))
    assert isinstance(call("data", "prepare").exception, ZeroDivisionError)


def test_sigterm_ends_a_command_as_ctrl_c_does(preparing):
    preparing(lambda **options: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    result = call("data", "prepare")
    assert result.exit_code == 143 and signal.getsignal(signal.SIGTERM) is before
    assert result.stderr.strip() == "interrupted: the same command goes on from here"


def test_a_full_disk_is_one_line_whoever_writes(preparing):
    preparing(Mock(side_effect=OSError(errno.ENOSPC, "No space left on device", "a\nb.bin")))
    assert fail("data", "prepare").startswith(
        r"error: a\nb.bin: No space left on device; make room"
    )


@pytest.mark.slow
def test_messages_stand_alone_in_a_log(evaluate, test_file):
    """In a process of its own, without a terminal: no bars of the libraries between the lines."""
    audio = test_file.parent / "clips" / "3.wav"
    audio.write_bytes(b"not audio")
    command = [sys.executable, "-m", "r1aqa_helpers", *evaluate]
    done = subprocess.run(command, capture_output=True, text=True)
    bad, few, *_, last = done.stderr.splitlines()
    assert done.returncode == 1 and "1 without a prediction" in done.stdout
    assert bad.startswith(f"warning: {audio}: ") and few.startswith("warning: 1 of 6 questions")
    assert last.startswith("error: ") and "1 of 6 answers are missing" in last


@pytest.mark.parametrize(
    "words, choices",
    [
        (["--choices", "A", "B"], ["A", "B"]),
        (["--choices", "A", "-5 dB", "--model", "m"], ["A", "-5 dB"]),
        (["--choices=A", "--choices", "B", "C", "--choices", "D"], ["A", "B", "C", "D"]),
    ],
)
def test_choices_take_several_words(words, choices):
    taken = []
    asking = typer.Typer()

    @asking.command(cls=ManyChoices)
    def ask(choices: Annotated[list[str], typer.Option("--choices")], model: str = "") -> None:
        taken.extend(choices)

    assert CliRunner().invoke(asking, words).exit_code == 0 and taken == choices


# --- score --------------------------------------------------------------------------------


def test_score_prints_only_json(test_file, tmp_path):
    answers = {"q0": "dog", "q1": "<answer>cat</answer>", "q2": "dog", "q3": "nothing", "q4": "dog"}
    lines = tmp_path / "said.jsonl"
    write_jsonl(lines, [{"id": key, "response": text} for key, text in answers.items()])
    result = succeed("score", "--questions", test_file, "--predictions", lines, "--json")
    scored = json.loads(result.stdout)
    assert result.stderr == ""
    assert scored["average"] == 50 and (scored["n"], scored["missing"]) == (6, 1)
    assert scored["unparsed"] == 1
    assert scored["matches"] == {"q0": 1, "q1": 1, "q2": 0, "q3": 0, "q4": 1, "q5": 0}
    assert scored["tasks"]["sound"].keys() == {"accuracy", "n", "ci95"}
    assert scored["tasks"]["music"]["accuracy"] == 100
    assert scored["difficulty"]["easy"]["n"] == 6 and scored["sub-category"] == {}
    assert scored["test_set"]["name"] == "test" and scored["test_set"]["release"] is None

    table = succeed("score", "--questions", test_file, "--predictions", lines).stdout
    assert "50.00" in table and "1 without a prediction (counted as wrong)" in table
    assert scored["test_set"]["sha256"][:12] in table


def test_score_names_the_fault(test_file, tmp_path):
    lines = tmp_path / "said.jsonl"
    lines.write_text('{"id": "q0", "response": "dog"}\n{"id": "q1"}\n')
    line = fail("score", "--questions", test_file, "--predictions", lines)
    assert f"{lines}:2:" in line and "field response: is missing" in line


# --- evaluate -----------------------------------------------------------------------------


def test_evaluate_writes_predictions_and_goes_on(evaluate, test_file, tmp_path):
    result = succeed(*evaluate, "--prompt", 3, "--batch-size", 2)
    out = tmp_path / "out" / "predictions.json"
    predictions = read_json(out)
    assert [p["id"] for p in predictions] == [f"q{n}" for n in range(6)]
    assert all(p["model_prediction"] == p["model_output"] for p in predictions)
    assert "average" in result.stdout and f"6 answers in {out}" in result.stdout

    log = out.with_name("predictions.json.log.jsonl")
    header, *rows = log.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(rows) == 6
    # As an interruption leaves it: some answers are missing, the last one is torn.
    kept = json.loads(rows[0]) | {"response": "was here before"}
    log.write_text(header + json.dumps(kept) + "\n" + rows[1][:10], encoding="utf-8")
    out.unlink()
    succeed(*evaluate, "--prompt", 3, "--batch-size", 2)
    again = {p["id"]: p for p in read_json(out)}
    assert again.pop(kept["id"])["response"] == "was here before"
    assert list(again.values()) == [p for p in predictions if p["id"] != kept["id"]]

    line = fail(*evaluate, "--prompt", 2)
    assert "log of a different run (prompt" in line

    # Beside them stands which questions they answer, and others are not scored with them.
    about = read_json(out.with_name("predictions.json.about.json"))
    assert (about["prompt"], about["test_set"]["name"], about["test_set"]["n"]) == (3, "test", 6)
    succeed("score", "--questions", test_file, "--predictions", out)
    rows = read_json(test_file)
    write_json(test_file, [{**rows[0], "question": "What is new here?"}, *rows[1:]])
    line = fail("score", "--questions", test_file, "--predictions", out)
    assert "answers other questions" in line and str(out) in line


def test_evaluate_without_gold_answers_does_not_score(evaluate, test_file, tmp_path):
    rows = read_json(test_file)
    write_json(test_file, [{k: v for k, v in row.items() if k != "answer"} for row in rows])
    result = succeed(*evaluate, "--sample", "--seed", 3)
    assert "average" not in result.stdout
    assert len(read_json(tmp_path / "out" / "predictions.json")) == 6


def test_evaluate_finds_faults_before_the_work(evaluate, tmp_path, monkeypatch):
    import r1aqa_helpers.models

    load = Mock(side_effect=r1aqa_helpers.models.load)
    monkeypatch.setattr(r1aqa_helpers.models, "load", load)

    def instead(option: str, value: object) -> str:
        arguments = list(evaluate)
        arguments[arguments.index(option) + 1] = value
        return fail(*arguments)

    (tmp_path / "a file").write_text("x")
    assert "cannot be written" in instead("--out", tmp_path / "a file" / "p.json")
    assert "is a folder" in instead("--out", tmp_path)
    assert "unknown kind of question file" in instead("--questions", tmp_path / "a file")
    assert not load.called
    assert "no such folder" in instead("--model", tmp_path / "nothing")
    write_json(tmp_path / "config.json", {"model_type": "bert"})
    assert "'bert', not 'qwen2_audio'" in instead("--model", tmp_path)
    assert not (tmp_path / "out" / "predictions.json").exists()


# --- ask, train, data, reproduce ----------------------------------------------------------


def test_ask(random_model_dir, tmp_path):
    audio = tmp_path / "long.wav"
    stereo = np.random.default_rng(0).uniform(-0.1, 0.1, (32_000 * 5, 2))
    soundfile.write(audio, stereo, 32_000)
    asked = ["ask", "--question", "Who speaks?", "--model", random_model_dir, "--audio"]
    result = succeed(*asked, audio, "--choices", "Man", "A woman", "Robot")
    assert result.stderr.startswith("warning: ") and "the last 1.00 s cut" in result.stderr
    assert "answer:" in result.stdout
    assert "give two or more" in fail(*asked, audio, "--choices", "Man")
    assert "no such file" in fail(*asked, tmp_path / "no.wav", "--choices", "A", "B")


@pytest.mark.parametrize(
    "kind, module",
    [("sft", "r1aqa_helpers.training.sft"), ("grpo", "r1aqa_helpers.training.grpo.run")],
)
def test_train(kind, module, random_model_dir, make_questions, tmp_path, monkeypatch):
    train = Mock(return_value=tmp_path / "run" / "model")
    monkeypatch.setattr(f"{module}.train_{kind}", train)
    arguments = ["train", kind, "--questions", make_questions()[0], "--out", tmp_path / "run",
                 "--model", random_model_dir, "--profile", "tiny"]  # fmt: skip
    result = succeed(*arguments, "--steps", 7, "--seed", 5)
    assert result.stdout.endswith(f"\ntrained model: {tmp_path / 'run' / 'model'}\n")
    assert str(random_model_dir) in result.stdout and "7 steps of 8 questions" in result.stdout
    loaded, questions, settings, out = train.call_args.args
    assert (loaded.name, len(questions), out) == (str(random_model_dir), 6, tmp_path / "run")
    assert (settings.steps, settings.seed) == (7, 5)
    assert settings.lr == getattr(TINY_PROFILE, kind)["lr"]
    assert "unknown, choose one of" in fail(*arguments, "--profile", "huge")


def test_quiz_keeps_answers_and_goes_on(test_file, tmp_path, monkeypatch):
    from r1aqa_helpers.reporting import human

    monkeypatch.setattr(human, "FOLDER", tmp_path / "answers")
    first = CliRunner().invoke(app, ["quiz", "--questions", str(test_file)], input="1\n")
    assert first.exit_code == 1
    assert "error: the input ended before the last clip" in first.stderr
    second = CliRunner().invoke(app, ["quiz", "--questions", str(test_file)], input="1\n" * 20)
    assert second.exit_code == 0 and "Clip 1 of" not in second.stdout
    assert "tiny model, direct inference, measured" in second.stdout


def test_data_audit(test_file, make_questions):
    report = json.loads(succeed("data", "audit", test_file, "--json").stdout)
    assert report["n"] == 6 and report["gold_first"]["all"] == 33.3 and "against" not in report
    arguments = ["data", "audit", test_file, "--against", make_questions(4)[1]]
    against = json.loads(succeed(*arguments, "--json").stdout)["against"]
    assert (against["shared"], against["differ"]) == (4, 0)
    assert "shared ids: 4, of which 0 differ" in succeed(*arguments).stdout
    assert "no such file" in fail("data", "audit", "no.json")
    assert "no such file" in fail("data", "audit", test_file, "--against", "no.json")


def test_data_convert_avqa(make_questions, tmp_path):
    clips = make_questions(2)[0].parent / "clips"
    row = {"question_text": "Is the video loud?", "multi_choice": ["yes", "no"], "answer": 1}
    names = ["0", "1", *(f"gone_{n:06d}" for n in range(12))]
    rows = [row | {"id": n, "video_name": name} for n, name in enumerate(names)]
    write_json(tmp_path / "train_qa.json", rows)
    arguments = ["data", "convert-avqa", "--annotations", tmp_path / "train_qa.json",
                 "--audio-dir", clips, "--out"]  # fmt: skip
    out = tmp_path / "new folder" / "train.jsonl"
    first, second, *listed, last = succeed(*arguments, out).stdout.splitlines()
    assert first == f"2 questions about 2 clips in {out}" and "12 (missing 12" in second
    assert listed[0].startswith("  missing: item 2: no 'gone_0.wav'") and last == "  and 2 more"
    assert len(Path(f"{out}.left-out.jsonl").read_text().splitlines()) == 12
    assert "name it .jsonl" in fail(*arguments, tmp_path / "train.json")


def test_reproduce_passes_its_options_on(monkeypatch, tmp_path):
    run = Mock(side_effect=UserError("GRPO did not beat direct inference"))
    monkeypatch.setattr("r1aqa_helpers.experiments.reproduce.reproduce", run)
    line = fail("reproduce", "--profile", "tiny", "--out", tmp_path, "--seed", 4, "--minutes", 2.5,
                "--train", "a.jsonl", "--test", "b.json", "--model", "m")  # fmt: skip
    assert line == "error: GRPO did not beat direct inference"
    profile = run.call_args.args[0]
    assert (profile.name, profile.model) == ("tiny", "m")
    assert (profile.train, profile.test) == (Path("a.jsonl"), Path("b.json"))
    assert run.call_args == mock_call(profile, tmp_path, seed=4, minutes=2.5)
    fail("reproduce", "--profile", "tiny")
    assert run.call_args == mock_call(TINY_PROFILE, Path("runs/tiny"), seed=0, minutes=None)
