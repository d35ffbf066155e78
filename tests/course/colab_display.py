"""Run by test_colab_display.py in a Python with Colab's versions: display one of everything."""

import sys
from dataclasses import replace
from pathlib import Path

import IPython
import ipywidgets
import matplotlib
import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

from r1aqa_helpers import course  # noqa: E402
from r1aqa_helpers.course.answer_groups import recorded_groups  # noqa: E402
from r1aqa_helpers.course.widgets import listening_test as listening  # noqa: E402
from r1aqa_helpers.course.widgets.own_recording import Recording, UploadWidget  # noqa: E402
from r1aqa_helpers.course.widgets.question_browser import browse  # noqa: E402
from r1aqa_helpers.data import read_questions  # noqa: E402
from r1aqa_helpers.data.audio import save_audio  # noqa: E402
from r1aqa_helpers.training.rewards import accuracy_reward, format_reward  # noqa: E402
from r1aqa_helpers.utils.paths import TINY  # noqa: E402

VIEW = "application/vnd.jupyter.widget-view+json"


def displayed(show, *given, **named) -> dict:
    """The one output of a call: data by kind."""
    with capture_output() as captured:
        show(*given, **named)
    (output,) = captured.outputs
    return output.data


def upload(folder: Path) -> None:
    save_audio(folder / "a.wav", np.linspace(-0.5, 0.5, 16_000, dtype=np.float32))
    mine = Recording(folder / "none.wav")
    widget = UploadWidget(mine, folder)
    content = {"metadata": {"name": "a.wav"}, "content": (folder / "a.wav").read_bytes()}
    widget.upload.set_trait("value", {"a.wav": content})
    assert "1.00 s" in widget.status.value, widget.status.value


def main(folder: Path) -> None:
    InteractiveShell.instance()
    data = displayed(course.figure, plt.subplots()[0], alt="An empty figure.")
    assert data["text/plain"] == "Figure: An empty figure."
    assert data["image/png"].startswith("iVBOR"), "PNG in base64"
    upload(folder)
    wave = np.linspace(-0.5, 0.5, 16_000, dtype=np.float32)
    save_audio(folder / "b.wav", wave)
    asked = [
        replace(q, audio=folder / "b.wav") for q in read_questions(TINY / "tiny-mmau.json")[:3]
    ]
    rewards = [accuracy_reward, format_reward(2)]
    run = course.load_run(course.REFERENCE, [])
    for show, *given in (
        (course.quiz, "00"),
        (listening.listening_quiz, asked, folder / "answers.jsonl"),
        (course.playground, recorded_groups(2), rewards),
        (course.rollout_viewer, run),
        (course.calculator, "a100"),
        (browse, asked),
    ):
        data = displayed(show, *given)
        assert {VIEW, "text/html", "text/plain"} <= data.keys(), (show, data.keys())
    for show, *given in (
        (course.player, wave, "a ramp"),
        (course.card, "06"),
    ):
        assert "<" in displayed(show, *given)["text/html"], show
    assert "image/png" in displayed(course.roadmap, "06")
    with capture_output() as captured:
        live = course.LiveCurves(steps=1)
        live({"step": 1, "accuracy": 0.5, "format": 0.5, "seconds": 1.0})
    assert captured.outputs
    print(f"IPython {IPython.__version__}, ipywidgets {ipywidgets.__version__}: all displayed")


main(Path(sys.argv[1]))
