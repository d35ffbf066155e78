"""Questions about recordings: one form in memory, two on disk.

*AVQA lines* (``.jsonl``), the training form of R1-AQA: ``id, question_text, multi_choice,
answer`` (an index), ``dataset_name, audio_path``. *MMAU JSON* (``.json``), the test form:
a list of ``id, audio_id, question, choices, answer`` (the text), ``dataset, task, split,
category, sub-category, difficulty``. Fields that neither form knows are kept in ``extra``
and written back. No row is dropped: a file is read whole, or a `UserError` says where it
is wrong. Whether the recordings exist is found out when they are loaded.

`audit` counts what may be wrong with a file of questions; `avqa` converts AVQA's own
annotations; `mmau` downloads MMAU and makes it ready as it is released; `identity` says which set
of questions it is, so that figures of two are not mixed.
"""

from .identity import QuestionSet, identify, one_set
from .question import AudioQuestion
from .reading import read_avqa, read_mmau, read_questions
from .writing import mmau_row, write_avqa, write_mmau

__all__ = [
    "AudioQuestion",
    "QuestionSet",
    "identify",
    "mmau_row",
    "one_set",
    "read_avqa",
    "read_mmau",
    "read_questions",
    "write_avqa",
    "write_mmau",
]
