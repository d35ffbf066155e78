"""Training in a notebook: what is used again, what goes on, what waits, and what fits a GPU."""

import io
import threading
import time
from contextlib import redirect_stderr
from dataclasses import replace

import pytest
import torch

from r1aqa_helpers.course import Lab, session
from r1aqa_helpers.course.runs import plan_run, run_name, taking_turns
from r1aqa_helpers.experiments.methods import METHODS, THOUGHT
from r1aqa_helpers.hardware import PROFILES, TINY_PROFILE
from r1aqa_helpers.models import load_for, weights_fingerprint
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_log
from r1aqa_helpers.utils.locks import lock


@pytest.fixture
def lab(make_questions, small_trainings, tmp_path) -> Lab:
    """The tiny model, with clips and trainings that take a second."""
    train, test = make_questions(4)
    tiny = replace(TINY_PROFILE, tiny_questions=False, train=train, test=test, max_new_tokens=8)
    profile = small_trainings(tiny)
    return Lab(profile, 0, tmp_path, tmp_path / "runs")


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    """The texts beside the pictures that are shown."""
    texts: list[str] = []
    monkeypatch.setattr(
        "r1aqa_helpers.course.figures.style.display",
        lambda data, **_: texts.append(data["text/plain"]),
    )
    monkeypatch.setattr("r1aqa_helpers.course.training_curves.display", lambda *_, **__: None)
    return texts


def refuse(*_, **__):
    raise AssertionError("trained or asked again")


def test_a_finished_run_and_its_answers_are_used_as_they_lie(lab, shown, capsys, monkeypatch):
    first = lab.train("grpo-2", steps=9)
    questions = lab.test_questions()
    answers = lab.ask(questions, run=first)
    told = capsys.readouterr().out
    assert told == "grpo-2: 2 steps, seed 0\n"  # not more than the profile's
    assert len(first.log) == 2 and len(first.rollouts) == 4 and first.seconds > 0
    assert not list(first.folder.glob("checkpoint-*"))
    monkeypatch.setattr(session, "train_method", refuse)
    monkeypatch.setattr("r1aqa_helpers.evaluation.local.generate", refuse)
    again = lab.train("grpo-2", steps=9)
    assert (again, capsys.readouterr().out) == (first, told)
    assert lab.ask(questions, run=again) == answers
    curves = "Figure: Training curves over 2 steps: rewards (accuracy, format); "
    assert len(shown) == 2 and shown[0] == shown[1] and shown[0].startswith(curves)
    assert "/" not in repr(again)
    with pytest.raises(AssertionError, match="again"):  # another seed is another run
        replace(lab, seed=1).train("grpo-2", steps=9)


def test_an_interrupted_run_goes_on(lab, shown, monkeypatch):
    class Interrupting(session.LiveCurves):
        def __call__(self, row):
            if row["step"] == 2:
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(session, "LiveCurves", Interrupting)
        with pytest.raises(KeyboardInterrupt):
            lab.train("sft", name="mine")
    (folder,) = (lab.runs / "tiny").glob("mine-*[0-9a-f]")
    before = read_log(folder / "metrics.jsonl")[0]
    run = lab.train("sft", name="mine")
    assert run.folder == folder and run.log[0] == before and len(run.log) == 2
    assert run.rollouts == [] and shown[0].endswith("loss (loss).")


def test_with_adapters_one_base_is_held_and_its_adapters_are_swapped(lab, shown, capsys):
    adapters = {"lora_rank": 2, "freeze_audio_encoder": True, "lr": 0.1}
    profile = lab.profile
    lab = Lab(
        replace(
            profile,
            sft={**profile.sft, **adapters},
            grpo={**profile.grpo, **adapters},
        ),
        0,
        lab.folder,
        lab.runs,
    )
    questions = lab.test_questions()
    base = lab.model()
    assert capsys.readouterr().out.startswith("hearing check: the model hears")
    untouched = weights_fingerprint(base)
    run = lab.train("sft", steps=2)  # which trains all weights elsewhere
    assert run.adapter is not None
    with pytest.raises(UserError, match="call lab.model again"):
        base.model.generate()
    kept = lab.model()
    weights = kept.model
    assert weights_fingerprint(kept) == untouched
    trained = lab.model(run)
    assert trained.model is weights  # nothing was loaded
    with pytest.raises(UserError, match="made room for another"):
        kept.model(input_ids=None)
    merged = load_for(lab.profile, run.folder / "model")
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        with_adapter = trained.model(input_ids=ids).logits
        assert torch.allclose(with_adapter, merged.model(input_ids=ids).logits, atol=1e-3)
        plain = lab.model().model(input_ids=ids).logits
    assert not torch.allclose(with_adapter, plain, atol=1e-2)
    assert weights_fingerprint(lab.model()) == untouched
    assert len(lab.ask(questions, run=run)) == len(lab.ask(questions)) == 4


def test_without_a_gpu_models_are_independent(lab):
    assert lab.model().model is not lab.model().model


def test_a_second_notebook_waits_for_the_first(tmp_path):
    place, done = tmp_path / "run.lock", []

    def second():
        with taking_turns(place, "grpo-2"):
            done.append("second")

    heard = io.StringIO()
    with redirect_stderr(heard):
        with lock(place) as held:
            assert held
            waiting = threading.Thread(target=second)
            waiting.start()
            time.sleep(0.3)
            done.append("first")
        waiting.join()
    assert done == ["first", "second"]
    assert heard.getvalue() == "grpo-2: another notebook is at it; this one waits\n"


def test_a_runs_name_depends_on_all_that_makes_it(lab):
    def rewarding(number: float):
        return lambda completions, **columns: [number] * len(completions)

    questions = lab.train_questions()
    settings = plan_run(METHODS["grpo-2"], lab.profile, seed=0)
    model = lab.profile.model
    calls = [
        (settings, questions, model, None),
        (replace(settings, beta=0.4), questions, model, None),
        (replace(settings, seed=1), questions, model, None),
        (settings, questions[:2], model, None),
        (settings, questions, "another", None),
        (settings, questions, model, [rewarding(1.0)]),
        (settings, questions, model, [rewarding(2.0)]),
    ]
    names = [run_name("mine", *call) for call in calls]
    assert len(set(names)) == len(names) and names[0].startswith("mine-2-steps-seed-0-")
    assert names == [run_name("mine", *call) for call in calls]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_method_fits_every_profile_and_keeps_to_its_limits(profile):
    for method in METHODS.values():
        if method.learns == THOUGHT and not profile.tiny_questions:
            continue
        settings = plan_run(method, profile, 0, 10_000)
        usual = profile.sft if method.algorithm == "sft" else profile.grpo
        assert settings.steps == usual["steps"]
        if profile.name != "tiny":
            own = method.changes.get("lora_rank", 0)
            assert settings.lora_rank == usual.get("lora_rank", own)
        if method.algorithm == "grpo":
            assert settings.max_completion == usual["max_completion"]
            longer = plan_run(method, profile, 0, max_completion=9999)
            assert longer == plan_run(method, profile, 0)


def test_what_does_not_fit_or_is_no_setting_is_refused():
    t4 = PROFILES["t4"]
    with pytest.raises(UserError, match=r"would need \d+\.\d GB .* a T4 has 16"):
        plan_run(METHODS["grpo-2"], t4, 0, group_size=32)
    with pytest.raises(UserError, match="has no setting 'betta'; choose of .*'beta'"):
        plan_run(METHODS["grpo-2"], t4, 0, betta=1.0)
