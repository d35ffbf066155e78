"""Facts about MMAU's whole files. They are not in the repository; without them this is skipped.

Put ``mmau-test-mini-v1.json``, ``mmau-test-mini-v05.15.25.json`` (github.com/Sakshi113/MMAU,
commits 1f675a9 and f0a4a97) and, for the scores, ``scored-responses-VERSION.json`` (id,
model_prediction and the official ``match``) into a folder that MMAU_FILES names.
"""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from r1aqa_helpers.cli import app
from r1aqa_helpers.course.lessons.n03 import lost_to_wording
from r1aqa_helpers.data import identify, read_mmau
from r1aqa_helpers.data.audit import audit_file
from r1aqa_helpers.data.mmau.convert import unlettered
from r1aqa_helpers.data.mmau.releases import RELEASES
from r1aqa_helpers.scoring import read_predictions, score
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import DATA

FOLDER = Path(os.environ.get("MMAU_FILES", Path(__file__).parents[3] / "shared" / "mmau"))
FILES = {version: FOLDER / f"mmau-test-mini-{version}.json" for version in RELEASES}
pytestmark = pytest.mark.skipif(
    not all(path.is_file() for path in FILES.values()),
    reason="MMAU's own question files are not here; MMAU_FILES can name their folder",
)


@pytest.mark.parametrize("version", RELEASES)
def test_the_releases_are_known_by_their_content(version):
    questions = read_mmau(FILES[version])
    found = identify(questions, "any name.json")
    assert (found.release, found.whole, found.n) == (version, True, 1000)
    assert found.sha256 == RELEASES[version][1]
    for question in questions:
        lettered = [f"({'ABCDEFGH'[n]}) {c}" for n, c in enumerate(question.choices)]
        plain = unlettered(lettered, None)[0]
        assert [" ".join(c.split()) for c in plain] == [
            " ".join(c.split()) for c in question.choices
        ]


@pytest.mark.parametrize("version", RELEASES)
def test_scores_are_those_of_mmaus_own_script(version):
    scored = FOLDER / f"scored-responses-{version}.json"
    rows = json.loads(scored.read_text(encoding="utf-8"))
    result = score(read_mmau(FILES[version]), read_predictions(scored))
    assert result.matches == {row["id"]: row["match"] for row in rows}
    assert (result.n, result.missing) == (1000, 0)
    arguments = ["score", "--questions", FILES[version], "--predictions", scored]
    said = CliRunner().invoke(app, [*map(str, arguments)]).stdout
    assert f"mmau-test-mini-{version}: 1,000 questions, MMAU test-mini {version}, sha" in said


def test_the_committed_facts_are_those_of_the_files():
    stored = read_json(DATA / "course" / "mmau_audit.json")
    assert audit_file(FILES["v05.15.25"], FILES["v1"]) == stored
    lost = read_json(DATA / "course" / "mmau_wording.json")["lost"]
    for version, path in FILES.items():
        assert lost_to_wording(read_mmau(path)) == lost[version]
