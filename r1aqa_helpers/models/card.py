"""Model cards: what a saved model is, how it was made, what it scored, how to load it.

The text is ``card.md.jinja``, rendered by `huggingface_hub.ModelCard`. What comes from files and
runs is escaped, so that it stays within its cell or line whatever it holds; into the YAML front
matter go only words of this file and names in the Hub's format.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import ModelCardData

from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.io import read_bytes, write_text
from r1aqa_helpers.utils.paths import TINY
from r1aqa_helpers.utils.untrusted import markdown, shown

CARD = "README.md"

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
#: Base models whose licence is known; what is trained from them has the same one.
_APACHE = {"Qwen/Qwen2-Audio-7B", "Qwen/Qwen2-Audio-7B-Instruct", "mispeech/r1-aqa"}
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+/-]{0,79}", re.ASCII)
_BEGIN, _END = "<!-- results:begin -->", "<!-- results:end -->"

#: By method: the card's title, and how the model was made.
_METHODS = {
    "grpo": (
        "GRPO",
        "trained with GRPO (group relative policy optimisation, arXiv 2402.03300) in the manner of "
        "[R1-AQA](https://arxiv.org/abs/2503.11197)",
    ),
    "sft": ("SFT", "trained by supervised fine-tuning on the correct answers"),
    "pretraining": ("Base", "trained from scratch in the stages below"),
    "": ("Copy", "saved as it was loaded"),
}


@dataclass(frozen=True)
class CardFields:
    """What a card says; all of it optional but the base model."""

    base: str
    """Hub name or folder; of a folder, only its last name is shown."""
    method: str = ""
    """``grpo``, ``sft``, ``pretraining``, or nothing where nothing was trained."""
    questions: int | None = None
    """How many different questions the training drew from."""
    datasets: Mapping[str, int] = field(default_factory=dict)
    """How many of them came from which data set."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Rows of the settings' table, also such as steps made, hardware, versions."""
    results: str = "Not measured yet."
    """Markdown, escaped, as `reporting` makes it of a run's results."""
    adapter: bool = False
    parameters: int | None = None
    """Of the model, or of the adapter."""
    window_seconds: float | None = None

    def text(self) -> str:
        """The card, Markdown with YAML front matter."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("r1aqa_helpers.models", ""),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
        )
        environment.filters |= {"md": markdown, "cell": value}
        title, made = _METHODS[self.method]
        return environment.get_template("card.md.jinja").render(
            {
                **vars(self),
                "card_data": self._front_matter().to_yaml(),
                "title": title + (" (LoRA adapter)" if self.adapter else ""),
                "made": made,
                "name": shown_base(self.base),
                "size": "" if self.parameters is None else f", {self.parameters:,} parameters",
                "shipped": _is_shipped(self.base),
                "results": f"{_BEGIN}\n{self.results}\n{_END}",
            }
        )

    def _front_matter(self) -> ModelCardData:
        known = self.base in _APACHE or _is_shipped(self.base)
        fields: dict[str, Any] = {"license": "apache-2.0" if known else "other"}
        if not known:
            fields["license_name"] = "as-base-model"
        if is_hub_name(self.base):
            fields["base_model"] = self.base
            if self.method:
                fields["base_model_relation"] = "adapter" if self.adapter else "finetune"
        tags = ["qwen2_audio", "audio-question-answering", "r1-aqa", self.method]
        return ModelCardData(
            **fields,
            library_name="peft" if self.adapter else "transformers",
            pipeline_tag="audio-text-to-text",
            tags=[tag for tag in (*tags, "lora" if self.adapter else "") if tag],
        )


def replace_results(folder: Path, results: str) -> None:
    """Put ``results`` (Markdown, escaped) in place of what the folder's card has so far.

    Raises:
        UserError: the folder has no card of this package's.
    """
    path = folder / CARD
    content = read_bytes(path).decode("utf-8", errors="replace")
    before, begin, rest = content.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise UserError(
            f"{shown(path)}: has no place for results; save the model again to get a new card"
        )
    changed = f"{before}{_BEGIN}\n{results}\n{_END}{after}"
    if changed != content:
        write_text(path, changed)


def is_hub_name(name: str) -> bool:
    """Whether ``name`` has the form owner/model, and no folder here has it."""
    return bool(_HUB_NAME.fullmatch(name)) and not os.path.exists(name)


def value(content: object) -> str:
    """A value for a cell: as code where it is a plain word or number, otherwise escaped."""
    if content is None:
        return "–"
    text = str(content)
    return f"`{text}`" if _PLAIN.fullmatch(text) else markdown(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], figures: int = 0) -> str:
    """A Markdown table of cells that are escaped already; the last ``figures`` to the right."""
    texts = len(head) - figures
    lines = [head, ["---"] * texts + ["--:"] * figures, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown_base(base: str) -> str:
    """A base model's name without the folders of this machine."""
    if _is_shipped(base):
        return "tiny-qwen2-audio"
    return base if is_hub_name(base) else Path(base).name or "a folder"


def _is_shipped(base: str) -> bool:
    """Whether ``base`` is the tiny model that comes with this project."""
    return Path(base).name == "model" and Path(base).resolve() == (TINY / "model").resolve()
