"""What every training run has: an output folder that it can be continued from, and a log.

::

    OUT/run.json          what the run is: settings, questions, model
    OUT/metrics.jsonl     a row per step
    OUT/checkpoint-N/     the last two; one without the file `COMPLETE` is unfinished
    OUT/adapter/          with LoRA: the adapter alone, small enough to share
    OUT/model/            the trained model, adapters merged; is there when the run has ended
"""

from r1aqa_helpers.training.callbacks import ExactResume, StepLog, Watch, check_loss, quiet
from r1aqa_helpers.training.run import run_training
from r1aqa_helpers.training.run_dir import COMPLETE, describe_run, steps_made
from r1aqa_helpers.training.settings import TrainingSettings, divide_step, run_schedule

__all__ = [
    "COMPLETE",
    "ExactResume",
    "StepLog",
    "TrainingSettings",
    "Watch",
    "check_loss",
    "describe_run",
    "divide_step",
    "quiet",
    "run_schedule",
    "run_training",
    "steps_made",
]
