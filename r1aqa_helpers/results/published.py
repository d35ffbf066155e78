"""The published rows, with their sources."""

from dataclasses import dataclass
from pathlib import Path

from r1aqa_helpers.files import read_json
from r1aqa_helpers.paths import DATA

DOMAINS = ("sound", "music", "speech")


@dataclass(frozen=True)
class PublishedRow:
    """One row of a published table; accuracies in percent, to the digits that were printed."""

    model: str  #: empty for the human row
    method: str
    from_mmau_site: bool  #: starred in the card: taken from the MMAU site, not run again
    sound: float
    music: float
    speech: float
    average: float
    source: str  #: URL
    note: str  #: how the figure came about, and where sources disagree


@dataclass(frozen=True)
class Published:
    """What was reported for MMAU test-mini, from two sources that disagree in places."""

    benchmark: str
    release: str  #: of MMAU test-mini, that the figures are of
    card: tuple[PublishedRow, ...]  #: all thirteen rows of the R1-AQA model card, in its order
    paper: tuple[PublishedRow, ...]  #: rows that only the paper has: SFT, and GRPO with thinking


def load_published(path: Path = DATA / "published_results.json") -> Published:
    """The published rows as kept, with sources, in ``data/published_results.json``."""
    stored = read_json(path)

    def rows(name: str) -> tuple[PublishedRow, ...]:
        return tuple(
            PublishedRow(**{**row, "source": row["source"]["url"], "note": row["source"]["note"]})
            for row in stored[name]["rows"]
        )

    return Published(stored["benchmark"], stored["release"], rows("card"), rows("paper"))
