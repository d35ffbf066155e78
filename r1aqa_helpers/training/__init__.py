"""From questions and a model to weights, by GRPO or SFT; comparisons of runs are `experiments`'.

::

    OUT/run.json          what the run is: settings, questions, model
    OUT/metrics.jsonl     a row per step; GRPO also writes rollouts.jsonl
    OUT/checkpoint-N/     the last two; one without the file `COMPLETE` is unfinished
    OUT/adapter/          with LoRA: the adapter alone, small enough to share
    OUT/model/            the trained model, adapters merged; is there when the run has ended

Where to look: the loss is `grpo.objective.grpo_loss`, which TRL computes in training (see
`grpo.trainer.AudioGRPOTrainer`), and `sft.AnswerTrainer.compute_loss`; answers are sampled by
`AudioGRPOTrainer.sample`; a run continues by `run.open_run` and `callbacks.ExactResume`.
"""

from r1aqa_helpers.training.callbacks import (
    COMPLETE,
    ExactResume,
    StepLog,
    Watch,
    check_loss,
    quiet,
)
from r1aqa_helpers.training.run import describe_run, run_training, steps_made
from r1aqa_helpers.training.settings import TrainingSettings, divide_step, run_schedule
