"""What only a learner sees: session, players, figures, quizzes, predictions, exercise checks.

Notebooks say ``from r1aqa_helpers import course``; what they use most stands here, the rest in
the modules of this folder.
"""

from r1aqa_helpers.course.budget_cards import budget_card
from r1aqa_helpers.course.calculator import calculator
from r1aqa_helpers.course.cards import card
from r1aqa_helpers.course.flight import flight_recorder
from r1aqa_helpers.course.hacking import hacking_range
from r1aqa_helpers.course.playground import playground
from r1aqa_helpers.course.plots import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    figure,
    spectrogram,
    waveform,
)
from r1aqa_helpers.course.predictions import calibration, predict, reveal
from r1aqa_helpers.course.quiz import quiz
from r1aqa_helpers.course.recorded_run import REFERENCE, load_run, recorded_answers
from r1aqa_helpers.course.roadmap import roadmap
from r1aqa_helpers.course.session import Lab, start
from r1aqa_helpers.course.shown import accuracy, value
from r1aqa_helpers.course.sound import Player, player
from r1aqa_helpers.course.training_curves import SFT_PANELS, LiveCurves, curves

__all__ = [
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "Lab",
    "LiveCurves",
    "ORANGE",
    "PURPLE",
    "Player",
    "RED",
    "REFERENCE",
    "SFT_PANELS",
    "SKY",
    "YELLOW",
    "accuracy",
    "calculator",
    "calibration",
    "budget_card",
    "card",
    "curves",
    "figure",
    "flight_recorder",
    "hacking_range",
    "load_run",
    "player",
    "playground",
    "predict",
    "quiz",
    "recorded_answers",
    "reveal",
    "roadmap",
    "spectrogram",
    "start",
    "value",
    "waveform",
]
