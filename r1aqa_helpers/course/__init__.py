"""What only a learner uses: session, widgets, figures, lessons, checks; nothing of the library."""

from r1aqa_helpers.course.answers import accuracy_of, answers_table
from r1aqa_helpers.course.figures.roadmap import roadmap
from r1aqa_helpers.course.figures.style import (
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
from r1aqa_helpers.course.notebooks import card
from r1aqa_helpers.course.predictions import predict, reveal
from r1aqa_helpers.course.printed import accuracy, value
from r1aqa_helpers.course.recorded_run import REFERENCE, load_run
from r1aqa_helpers.course.runs import Run
from r1aqa_helpers.course.session import Lab, start
from r1aqa_helpers.course.training_curves import LiveCurves, show_curves
from r1aqa_helpers.course.widgets.calculator import calculator
from r1aqa_helpers.course.widgets.player import Player, player
from r1aqa_helpers.course.widgets.playground import playground
from r1aqa_helpers.course.widgets.quiz import quiz
from r1aqa_helpers.course.widgets.reward_hacking_tests import attack_suite
from r1aqa_helpers.course.widgets.rollout_viewer import rollout_viewer
