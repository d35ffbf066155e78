"""Model cards: what they say, and that nothing in them can break out of its place."""

import copy
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from huggingface_hub import ModelCard as HubCard
from markdown_it import MarkdownIt

from r1aqa_helpers.data import read_questions
from r1aqa_helpers.models import CardFields, LoadedModel, load, save
from r1aqa_helpers.reporting.card_results import add_results, results_markdown
from r1aqa_helpers.scoring.text import interval_text
from r1aqa_helpers.tiny.build import random_tiny
from r1aqa_helpers.training.sft import SFTSettings, train_sft
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_json
from r1aqa_helpers.utils.paths import TINY

RESULTS = TINY / "reference_run" / "results.json"
CARD = CardFields(
    base="Qwen/Qwen2-Audio-7B-Instruct",
    method="grpo",
    questions=38_000,
    datasets={"AVQA": 38_000},
    settings={"lr": 1e-6, "beta": 0.04, "lora_rank": 16, "steps made": 500, "torch": "2.11.0"},
    results=results_markdown(read_json(RESULTS)),
    parameters=8_397_094_912,
    window_seconds=30,
)
NASTY = (
    "`x` | <script>alert(1)</script>",
    "x\n\n---\nlicense: evil\n---\n# heading",
    "![i](http://x.y/z.png) [l](javascript:alert(1)) <http://a.b> www.c.org https://d.e",
    "\\| \\` &lt;b&gt; <!-- results:end --> $x$ *y* ~~z~~ __w__",
    "] \u202e\u2028 \x1b[31m \x00 |",
    "|" * 500,
)


class Elements(HTMLParser):
    """Tags of a page, with what stands in each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data):
        if self._cell:
            self.rows[-1][-1] += data


def page(card: CardFields) -> Elements:
    """The card's body as a web page, with tables, raw HTML and struck text allowed."""
    body = HubCard(card.text()).text
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return Elements(parser.render(body))


def test_a_card_says_what_the_run_knows():
    text = CARD.text()
    data = HubCard(text).data
    assert (data.license, data.base_model) == ("apache-2.0", CARD.base)
    for part in ("38,000 questions of `AVQA`", "8,397,094,912 parameters", "It hears 30 s"):
        assert part in text, part
    rows = page(CARD).rows
    assert ["lora_rank", "16"] in rows and ["lr", "1e-06"] in rows and ["steps made", "500"] in rows
    grpo = next(row for row in rows if row[:2] == ["grpo", "<2>"])
    held = read_json(RESULTS)
    (row,) = [r for r in held["rows"] if (r["method"], r["prompt"]) == ("grpo", 2)]
    assert grpo[-3:] == [f"{row['average']:.1f}", interval_text(row["ci95"]), "1000"]
    gain = next(c for c in held["comparisons"] if (c["a"], c["b_prompt"]) == ("grpo", 2))
    assert f"grpo &lt;2&gt; against direct &lt;2&gt;: {gain['difference']:+.1f} points" in text


def test_a_base_that_is_a_folder_is_told_by_its_last_name_alone(tmp_path):
    text = replace(CARD, base=str(tmp_path / "my model"), results="Not measured yet.").text()
    data = HubCard(text).data.to_dict()
    assert "base_model" not in data and data["license"] == "other"
    assert str(tmp_path) not in text and "my model" in text
    shipped = replace(CARD, base=str(TINY / "model"), results="Not measured yet.").text()
    assert HubCard(shipped).data.license == "apache-2.0"
    assert "tiny-qwen2-audio" in shipped and "not those of a 7B model" in shipped
    assert str(TINY) not in shipped and "Not measured yet" in shipped


def test_a_table_names_the_questions_and_is_of_one_set_of_them():
    stored = read_json(RESULTS)
    text = results_markdown(stored)
    assert "Questions: tiny" in text and stored["test_set"]["sha256"][:12] in text
    mixed = copy.deepcopy(stored)
    mixed["rows"][3]["test_sha256"] = "0" * 64
    with pytest.raises(UserError, match="'test_set' and 'sft <2>': were measured on different"):
        results_markdown(mixed)
    for test_set in ([], "v1", {"name": "v1"}):
        with pytest.raises(UserError, match="is no set of questions"):
            results_markdown({**stored, "test_set": test_set})
    old = {**stored, "test_set": None, "rows": [{**r, "test_sha256": None} for r in stored["rows"]]}
    assert "Questions:" not in results_markdown(old)


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_nothing_breaks_out_of_its_place(text):
    results = copy.deepcopy(read_json(RESULTS))
    # A row of results with what cannot be printed is refused.
    results["rows"][0]["method"] = "".join(c if c.isprintable() else " " for c in text)
    results["hardware"] = text
    results["versions"] = {text: text}
    results["test_set"]["name"] = text
    results["model"] = f"folder/of/mine/{text}"
    results["comparisons"][0]["a"] = text
    card = replace(
        CARD,
        base=f"folder/{text}",
        datasets={text: 1, "AVQA": 2},
        settings={"hardware": text, text: text, "lr": 1e-6},
        results=results_markdown(results),
    )
    plain = {"settings": {"hardware": "x y", "x y": "x y", "lr": 1e-6}}
    expected = page(replace(CARD, base="folder/x", datasets={"x": 1, "AVQA": 2}, **plain))
    found = page(card)
    assert HubCard(card.text()).data.to_dict() == replace_base(HubCard(CARD.text()).data.to_dict())
    kinds = {"script", "img", "h1", "h2", "hr", "del", "em", "pre", "table", "ul", "li", "a"}
    count = {kind: found.tags.count(kind) for kind in kinds}
    assert count == {kind: expected.tags.count(kind) for kind in kinds}
    assert [len(row) for row in found.rows] == [len(row) for row in expected.rows]
    shown = [cell for row in found.rows for cell in row]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    # As data set, twice as setting, as hardware, and as method of the results' first row.
    places = [cell for cell in shown if cell == line or cell[:-1] == line[:199]]
    assert len(places) == 5, (line, shown)
    assert "of/mine" not in card.text()
    # Not even a bare address is made a link of, as the Hub does.
    assert not re.search(r"(?<!\\)(www\.|https?:)(?!//arxiv\.org/abs/2503)", card.text())
    assert card.text().count("<!-- results:end -->") == 1


def replace_base(data: dict) -> dict:
    """Of a base model that is not on the Hub nothing is said in front."""
    kept = {k: v for k, v in data.items() if not k.startswith("base_model")}
    return kept | {"license": "other", "license_name": "as-base-model"}


def test_every_save_writes_a_card_and_results_can_be_added(tmp_path):
    folder = tmp_path / "model"
    save(LoadedModel(*random_tiny(0), "random"), folder)
    path = folder / "README.md"
    assert "Not measured yet." in path.read_text() and "It hears 4 s" in path.read_text()
    for _ in range(2):  # a second time in place of the first
        add_results(folder, read_json(RESULTS))
    text = path.read_text()
    shown = interval_text(read_json(RESULTS)["rows"][0]["ci95"])
    assert text.count(shown) == 1 and "Not measured yet." not in text
    assert text.index("## Results") < text.index(shown) < text.index("## How to load it")
    load(folder, device="cpu")

    for results in ([], {}, {"rows": [{"method": "x"}]}, {"rows": 3}, {"rows": [{**read_json(
        RESULTS)["rows"][0], "average": "high | low"}]}):  # fmt: skip
        with pytest.raises(UserError, match="not those of r1aqa reproduce"):
            add_results(folder, results)
    assert path.read_text() == text
    path.write_text("my own words")
    with pytest.raises(UserError, match="no place for results"):
        add_results(folder, read_json(RESULTS))
    path.unlink()
    with pytest.raises(UserError, match="README.md"):
        add_results(folder, read_json(RESULTS))


def test_a_run_s_model_has_a_card_of_what_the_run_knows(make_questions, tmp_path):
    settings = SFTSettings(steps=2, batch_size=2, lr=1e-3, lora_rank=2)
    questions = read_questions(make_questions()[0])
    folder = train_sft(LoadedModel(*random_tiny(0), "random"), questions, settings, tmp_path)
    adapter = folder.with_name("adapter")
    assert HubCard((adapter / "README.md").read_text()).data.library_name == "peft"
    for place in (folder, adapter):
        text = (place / "README.md").read_text()
        assert "supervised fine-tuning" in text and "6 questions" in text
        for row in ("| `lr` | `0.001` |", "| `batch_size` | `2` |", "| steps made | `2` |"):
            assert row in text, row
        assert "| `transformers` |" in text and "minutes of training" in text
        assert "save_every" not in text
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "random"


def test_the_shipped_model_s_folder_needs_no_path_of_this_machine(tmp_path):
    save(load(TINY / "model", device="cpu"), tmp_path / "model")
    for path in Path(tmp_path / "model").glob("*.json"):
        assert str(TINY) not in path.read_text(), path
    assert str(TINY.parent) not in (tmp_path / "model" / "README.md").read_text()
