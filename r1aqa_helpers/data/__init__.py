"""Questions and their recordings, read, written and fetched; what answers are worth is not.

*AVQA lines* (``.jsonl``), the training format of R1-AQA: ``id, question_text, multi_choice,
answer`` (an index), ``dataset_name, audio_path``. *MMAU JSON* (``.json``), the test format:
a list of ``id, audio_id, question, choices, answer`` (the text), ``dataset, task, split,
category, sub-category, difficulty``. Fields that neither format knows are kept in ``extra``
and written back. A file is read whole, or a `UserError` says where it is wrong. Whether the
recordings exist shows when they are loaded.

`audit` counts what may be wrong with a file of questions; `avqa` and `avqa_hub` make training
lines of AVQA; `mmau` prepares MMAU as it is released; `test_set` says which set of questions it
is, so that results of two sets are not mixed. `audio` loads and saves recordings, which
`decoding` reads, whatever people have.
"""

from r1aqa_helpers.data.question import AudioQuestion
from r1aqa_helpers.data.read import read_avqa, read_mmau, read_questions
from r1aqa_helpers.data.test_set import QuestionSet, identify, one_set
from r1aqa_helpers.data.write import mmau_row, write_avqa, write_mmau
