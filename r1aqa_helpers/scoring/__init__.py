"""From responses to numbers: extraction, matching, accuracy, tests; tables and pages are not.

`matching` judges one answer, `metrics` counts over questions and groups of them, `statistics` says
how sure the counts are and how many questions are enough, `baselines` what needs no hearing,
`predictions` reads files of answers, and keeps which questions they answer.
"""

from r1aqa_helpers.scoring.baselines import (
    best_position,
    chance,
    fixed_position,
    longest_choice,
    majority_answer,
    random_choice,
)
from r1aqa_helpers.scoring.matching import (
    accepted_choices,
    answers_while_thinking,
    extract_answer,
    strict_match,
    string_match,
    tagged,
)
from r1aqa_helpers.scoring.metrics import (
    GROUPINGS,
    KINDS,
    Accuracy,
    Score,
    Verdict,
    confusions,
    score,
)
from r1aqa_helpers.scoring.predictions import (
    check_predictions,
    metadata_file,
    read_predictions,
    write_metadata,
)
from r1aqa_helpers.scoring.statistics import (
    McNemar,
    bootstrap_difference,
    detection_power,
    holm,
    mcnemar,
    mcnemar_p,
    questions_needed,
    wilson_interval,
)
