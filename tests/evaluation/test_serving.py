"""A real server, `transformers serve`, asked through the endpoint: it answers as in-process."""

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from r1aqa_helpers.data import AudioQuestion, read_questions
from r1aqa_helpers.evaluation.endpoint import answer_at_endpoint
from r1aqa_helpers.evaluation.local import answer_questions
from r1aqa_helpers.evaluation.openai_client import KEY_VARIABLES, Pace, find_endpoint
from r1aqa_helpers.models import load
from r1aqa_helpers.tiny.data import prepare
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.paths import TINY

pytestmark = pytest.mark.slow

#: What Qwen2-Audio ships; greedy decoding would inherit the penalty from it.
SHIPPED = dict(do_sample=True, top_p=0.5, top_k=20, temperature=0.7, repetition_penalty=1.1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with the generation settings that Qwen2-Audio comes with."""
    folder = tmp_path_factory.mktemp("served") / "tiny model"
    shutil.copytree(TINY / "model", folder)
    path = folder / "generation_config.json"
    kept = {k: v for k, v in json.loads(path.read_text()).items() if k.endswith("token_id")}
    path.write_text(json.dumps(kept | SHIPPED))
    return folder


@pytest.fixture(scope="module")
def server(checkpoint: Path, serve) -> Iterator[str]:
    """The address of a server that holds the checkpoint."""
    with serve(checkpoint) as address:
        yield address


@pytest.fixture(scope="module")
def questions() -> list[AudioQuestion]:
    """Eight of tiny-mmau, of every task."""
    return read_questions(prepare().test)[::125]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_a_served_checkpoint_answers_as_the_same_one_in_process(server, checkpoint, questions):
    """Although its own settings would draw answers and penalise repetition."""
    expected = answer_questions(load(str(checkpoint), device="cpu"), questions)
    endpoint = find_endpoint(server, str(checkpoint))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = answer_at_endpoint(endpoint, questions, pace=Pace(concurrency=2))
    assert [p.response for p in found] == [p.response for p in expected]
    assert len({p.response for p in found}) > 4, "too alike to tell one answer from another"
    told = [str(w.message) for w in caught if "does not take" in str(w.message)]
    assert len(told) == 1 and "repetition_penalty" in told[0]


def test_another_model_than_the_served_one_is_refused_in_one_line(server, questions):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserError, match="Server is pinned to .*requested 'another'"):
            answer_at_endpoint(find_endpoint(server, "another"), questions)
