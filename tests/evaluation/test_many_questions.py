"""A hundred thousand questions: four times the questions take about four times the seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WORKER = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from r1aqa_helpers.data import AudioQuestion, read_questions, write_mmau
from r1aqa_helpers.data.audio import save_audio
from r1aqa_helpers.data.audit import audit_file
from r1aqa_helpers.evaluation import local
from r1aqa_helpers.models import LoadedModel
from r1aqa_helpers.scoring import read_predictions, score
from r1aqa_helpers.tiny.build import random_tiny

folder, n = Path(sys.argv[1]), int(sys.argv[2])
save_audio(folder / "a.wav", np.full(8000, 0.1, np.float32))
made = [AudioQuestion(f"q{i}", folder / "a.wav", f"What is sound {i}?", ("dog", "cat"), "dog",
                      task="sound") for i in range(n)]
write_mmau(folder / "test.json", made)
loaded, answered = LoadedModel(*random_tiny(0), "random"), []

def rows(self, batches):
    for batch in batches:
        for question in batch:
            if len(answered) == stop:
                raise KeyboardInterrupt
            answered.append(question.id)
            yield {"id": question.id, "response": "dog", "seconds": 0.1, "seconds_cut": 0.0}

local._Asking.rows = rows
local.append_jsonl = lambda path, row, write=local.append_jsonl: write(path, row, flush=False)
took = {}

def timed(name, work):
    began = time.process_time()
    done = work()
    took[name] = round(time.process_time() - began, 2)
    return done

asked = timed("read", lambda: read_questions(folder / "test.json"))
timed("audit", lambda: audit_file(folder / "test.json", None))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for stop, name in ((n // 2, "evaluate"), (n, "resume"), (n, "done")):
    try:
        said = timed(name, lambda: local.answer_questions(loaded, asked, log=folder / "log.jsonl"))
    except KeyboardInterrupt:
        took[name] = None
assert len(answered) == len(said) == n
local.write_predictions(folder / "said.json", asked, said)
assert timed("score", lambda: score(asked, read_predictions(folder / "said.json"))).average == 100
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
print(json.dumps({"seconds": took, "KiB a question": round(grown / n, 1)}))
"""


def test_time_is_linear_and_memory_small(tmp_path):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    few, many = [], []
    for n, found in ((25_000, few), (100_000, many)):
        (tmp_path / str(n)).mkdir()
        command = [sys.executable, "-c", WORKER, str(tmp_path / str(n)), str(n)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=1800)
        assert done.returncode == 0, done.stderr[-2000:]
        print(n, done.stdout)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    for name, seconds in many[0]["seconds"].items():
        assert seconds is None or seconds < 8 * few[0]["seconds"][name] + 1, name
    assert many[0]["KiB a question"] < 16
