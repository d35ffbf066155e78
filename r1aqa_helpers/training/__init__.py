"""What every training run has: an output folder that it can be continued from, and a journal.

::

    OUT/run.json          what the run is: settings, questions, model
    OUT/metrics.jsonl     a row per step
    OUT/checkpoint-N/     the last two; without the file `COMPLETE`, an interruption's remains
    OUT/adapter/          with LoRA: the adapter alone, small enough to share
    OUT/model/            the trained model, adapters merged; is there when the run has ended
"""

from .folder import COMPLETE, describe_run, open_run
from .journal import Journal, Watch, check_loss, quiet, show_made
from .saved import save_trained, training_card
from .settings import TrainingSettings, check_answers, divide_step, run_schedule
from .trainer import ExactResume, train_with

__all__ = [
    "COMPLETE",
    "ExactResume",
    "Journal",
    "TrainingSettings",
    "Watch",
    "check_answers",
    "check_loss",
    "describe_run",
    "divide_step",
    "open_run",
    "quiet",
    "run_schedule",
    "save_trained",
    "show_made",
    "train_with",
    "training_card",
]
