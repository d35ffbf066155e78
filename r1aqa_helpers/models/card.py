"""Model cards: what a saved model is, how it came about, what it scored, how to load it.

A card is Markdown with YAML in front, as the Hugging Face Hub reads it. What comes from files
and runs is escaped, so that it stays within its cell or line whatever it holds; into the YAML
go only words of this file and names of the Hub's form.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import read_bytes, shown, shown_value, write_text
from ..paths import TINY
from ..questions import QuestionSet, one_set

CARD = "README.md"

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
#: Base models whose licence is known, and is the one of what is trained from them.
_APACHE = {"Qwen/Qwen2-Audio-7B", "Qwen/Qwen2-Audio-7B-Instruct", "mispeech/r1-aqa"}
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+/-]{0,79}", re.ASCII)
#: Every mark that means something in Markdown, or makes a link of what follows.
_MARKS = re.compile(r"([\\`*_{}\[\]()#+.!|~$^=:@-])")
_LONGEST = 200
_BEGIN, _END = "<!-- results:begin -->", "<!-- results:end -->"

_METHODS = {
    "grpo": (
        "GRPO",
        "trained with GRPO (group relative policy optimisation, arXiv 2402.03300) in the manner of "
        "[R1-AQA](https://arxiv.org/abs/2503.11197)",
    ),
    "sft": ("SFT", "trained by supervised fine-tuning on the right answers"),
    "pretraining": ("Base", "trained from scratch in the stages below"),
    "": ("Copy", "saved as it was loaded"),
}


@dataclass(frozen=True)
class ModelCard:
    """What a card tells; all of it optional but the base model."""

    base: str
    """Hub name or folder; of a folder, only its last name is told."""
    method: str = ""
    """``grpo``, ``sft``, ``pretraining``, or nothing where nothing was trained."""
    questions: int | None = None
    """How many different questions the training drew from."""
    datasets: Mapping[str, int] = field(default_factory=dict)
    """How many of them came from which data set."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """More rows for the settings' table, such as steps made, hardware, versions."""
    results: Mapping[str, Any] | None = None
    """Content of the ``results.json`` of a run of ``r1aqa reproduce``."""
    adapter: bool = False
    parameters: int | None = None
    """Of the model, or of the adapter."""
    window_seconds: float | None = None

    def text(self) -> str:
        """The card. Raises ``UserError`` where the results are no run's."""
        parts = [
            self._front_matter(),
            f"# Qwen2-Audio, {self._title}: {escape(_shown_base(self.base))}",
            self._what_it_is(),
            "## Training data\n\n" + self._data(),
            "## Settings\n\n" + self._settings(),
            "## Results\n\n" + _results_block(self.results),
            "## How to load it\n\n" + self._loading(),
            "## Limitations\n\n" + self._limitations(),
        ]
        return "\n\n".join(parts) + "\n"

    @property
    def _title(self) -> str:
        return _METHODS[self.method][0] + (" (LoRA adapter)" if self.adapter else "")

    def _front_matter(self) -> str:
        """YAML; JSON's strings are YAML's, too, and these hold no mark that would end one."""
        apache = self.base in _APACHE or _is_shipped(self.base)
        lines = ["license: apache-2.0"]
        if not apache:
            lines = ["license: other", "license_name: as-base-model"]
        if is_hub_name(self.base):
            lines.append(f'base_model: "{self.base}"')
            if self.method:
                lines.append(f"base_model_relation: {'adapter' if self.adapter else 'finetune'}")
        lines.append(f"library_name: {'peft' if self.adapter else 'transformers'}")
        lines.append("pipeline_tag: audio-text-to-text")
        tags = ["qwen2_audio", "audio-question-answering", "r1-aqa"]
        tags += [self.method] if self.method else []
        tags += ["lora"] if self.adapter else []
        lines += ["tags:", *(f"  - {tag}" for tag in tags)]
        return "\n".join(["---", *lines, "---"])

    def _what_it_is(self) -> str:
        what = "A LoRA adapter for" if self.adapter else "A"
        size = "" if self.parameters is None else f", {self.parameters:,} parameters"
        base = value(_shown_base(self.base))
        if self.adapter:
            first = f"{what} {base}{size}, {_METHODS[self.method][1]}."
        else:
            first = f"{what} Qwen2-Audio{size}: {base}, {_METHODS[self.method][1]}."
        return (
            f"{first} It hears one recording and answers a multiple-choice question about it. "
            "Its generation settings are greedy, with every field set, so that nothing of what "
            "Qwen2-Audio ships (sampling, a repetition penalty) is inherited."
        )

    def _data(self) -> str:
        if self.method == "pretraining":
            return (
                "Scenes of sound, music and speech, rendered from recipes and a bank of short "
                "recordings, with captions and questions about them. data/README.md of the project "
                "says what each stage teaches."
            )
        if self.questions is None:
            return "Nothing was trained, or what on is not known."
        rows = [(value(name or "without a name"), f"{n:,}") for name, n in self.datasets.items()]
        if len(rows) < 2:
            name = f" of {rows[0][0]}" if rows else ""
            return f"{self.questions:,} questions{name}."
        return f"{self.questions:,} questions:\n\n" + table(("data set", "questions"), rows)

    def _settings(self) -> str:
        rows = [(value(k), value(v)) for k, v in {**self.facts, **self.settings}.items()]
        return table(("setting", "value"), rows) if rows else "None."

    def _loading(self) -> str:
        name = '"OWNER/NAME"  # this repository, or a folder with its files'
        own = (
            "```python\nfrom r1aqa_helpers.models import load\n\n"
            f"name = {name}\nloaded = load(name)\n```\n\nor `r1aqa ask --model OWNER/NAME --audio "
            'FILE --question "…" --choices A B C`.'
        )
        if self.adapter:
            return own + (
                " The adapter is merged into the weights of its base model, named above; with "
                '`quantise="nf4"` those are in 4 bits, and the adapter stays on top of them. '
                "Where it was trained so, only that gives the trained model exactly."
            )
        return own + (
            " With transformers alone (release 5):\n\n```python\n"
            "from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor\n\n"
            f"name = {name}\n"
            "model = Qwen2AudioForConditionalGeneration.from_pretrained(name)\n"
            "processor = Qwen2AudioProcessor.from_pretrained(name)\n```\n\n"
            "Give clips to the processor as `audio=`: today's releases ignore the former `audios=` "
            "with no more than a warning, and the model then answers without hearing."
        )

    def _limitations(self) -> str:
        lines = [
            "Accuracies hold for the questions that they were measured on, with one prompt and "
            "greedy decoding; another prompt or order of the choices gives others. An interval "
            "says how much they would move with other questions of the same kind.",
            "It was trained and measured on multiple-choice questions. Open questions, and what it "
            "writes beside its choice, were not checked.",
            "It answers silence and noise, too, and as surely as anything else.",
        ]
        if self.window_seconds is not None:
            lines.insert(0, f"It hears {self.window_seconds:g} s; the rest of a clip is cut.")
        if _is_shipped(self.base):
            lines.insert(
                0,
                "It is the miniature of a course: it knows rendered sounds, synthetic instruments "
                "and synthetic voices. Its accuracies say how methods compare at its scale and "
                "are not those of a 7B model.",
            )
        lines.append(
            "The licences of the base model and of the training recordings hold beside this one."
        )
        return "\n".join(f"- {line}" for line in lines)


def add_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Put the table of a run's ``results.json`` in place of what the folder's card has so far.

    Raises:
        UserError: the folder has no card of this package's, or the results are no run's.
    """
    path = folder / CARD
    content = read_bytes(path).decode("utf-8", errors="replace")
    start, end = content.find(_BEGIN), content.find(_END)
    if start < 0 or end < start:
        raise UserError(
            f"{shown(path)}: has no place for results; save the model again to get a new card"
        )
    changed = content[:start] + _results_block(results) + content[end + len(_END) :]
    if changed != content:
        write_text(path, changed)


def is_hub_name(name: str) -> bool:
    """Whether ``name`` has the form owner/model, and no folder here has it."""
    return bool(_HUB_NAME.fullmatch(name)) and not Path(name).exists()


def escape(text: object) -> str:
    """``text`` on one line, as itself in Markdown, also in a table's cell; long ones are cut."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 1] + "…"
    line = _MARKS.sub(r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def value(content: object) -> str:
    """A value for a cell: as code where it is a plain word or number, otherwise escaped."""
    if content is None:
        return "–"
    text = str(content)
    return f"`{text}`" if _PLAIN.fullmatch(text) else escape(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], figures: int = 0) -> str:
    """A Markdown table of cells that are escaped already; the last ``figures`` to the right."""
    texts = len(head) - figures
    lines = [head, ["---"] * texts + ["--:"] * figures, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _results_block(results: Mapping[str, Any] | None) -> str:
    content = "Not measured yet." if results is None else _results_text(results)
    return f"{_BEGIN}\n{content}\n{_END}"


def _results_text(results: Mapping[str, Any]) -> str:
    try:
        rows = [_result_row(row) for row in results["rows"]]
        tests = [_comparison(test) for test in results.get("comparisons", ())]
        test_set = _test_set(results)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"results: are not those of r1aqa reproduce ({shown_value(error)}); give its "
            "results.json"
        ) from error
    known = ("profile", "seed", "hardware", "endpoint", "versions")
    facts = {name: _flat(results[name]) for name in known if results.get(name) is not None}
    if isinstance(results.get("model"), str):
        facts = {"base model": _shown_base(results["model"]), **facts}
    origin = ", ".join(f"{name} {value(fact)}" for name, fact in facts.items())
    head = ("method", "prompt", "sound, %", "music, %", "speech, %", "average, %", "95 %", "n")
    parts = [f"Measured by `r1aqa reproduce`: {origin}.", table(head, rows, figures=6)]
    if test_set is not None:
        parts.append(f"Questions: {escape(test_set.text)}.")
    if tests:
        parts.append("\n".join(tests))
    parts.append("The interval is Wilson's, of the average.")
    return "\n\n".join(parts)


def _test_set(results: Mapping[str, Any]) -> QuestionSet | None:
    """What all rows were measured on; None where a run from before this was kept does not say."""
    if results.get("test_set") is None:
        return None
    found = QuestionSet.from_dict(results["test_set"])
    rows = ((f"row {n}", row.get("test_sha256")) for n, row in enumerate(results["rows"], 1))
    one_set([("test_set", found.sha256), *rows])
    return found


def _flat(fact: object) -> object:
    """A group of facts in one line."""
    if isinstance(fact, Mapping):
        return ", ".join(f"{name} {part}" for name, part in fact.items())
    return fact


def _result_row(row: Mapping[str, Any]) -> list[str]:
    domains = [row.get(name) for name in ("sound", "music", "speech")]
    low, high = row["ci95"]
    return [
        value(row["method"]),
        f"&lt;{int(row['prompt'])}&gt;",
        *("–" if figure is None else f"{float(figure):.1f}" for figure in domains),
        f"**{float(row['average']):.1f}**",
        f"{float(low):.1f}–{float(high):.1f}",
        str(int(row["n"])),
    ]


def _comparison(test: Mapping[str, Any]) -> str:
    names = [
        escape(test[side])
        + (f" &lt;{int(test[f'{side}_prompt'])}&gt;" if f"{side}_prompt" in test else "")
        for side in ("a", "b")
    ]
    gain, p = float(test["difference"]), float(test["mcnemar_p"])
    return f"- {names[0]} against {names[1]}: {gain:+.1f} points, McNemar's exact test p = {p:.2g}"


def _is_shipped(base: str) -> bool:
    """Whether ``base`` is the tiny model that comes with this project."""
    return Path(base).name == "model" and Path(base).resolve() == (TINY / "model").resolve()


def _shown_base(base: str) -> str:
    """A base model's name without the folders of this machine."""
    if _is_shipped(base):
        return "tiny-qwen2-audio"
    return base if is_hub_name(base) else Path(base).name or "a folder"
