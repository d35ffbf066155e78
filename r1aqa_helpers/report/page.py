"""The page itself, and its frame."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_text
from ..questions import QuestionSet
from ..results import Published, no_verdict
from ..scoring import Score
from .clips import Clip, clip_article
from .curves import training as training_section
from .markup import fill, join
from .sections import (
    comparison,
    groups_section,
    measured_table,
    published_tables,
    verdicts_section,
)

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'; media-src data:; img-src data:">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 64rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-bottom: 2px solid #0072B2; padding-bottom: .25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; overflow-wrap: normal; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem;
  border-bottom: 1px solid #ccc; font-variant-numeric: tabular-nums; }
thead th { border-bottom: 2px solid #444; }
.published { background: #f4f4f4; padding: .5rem 1rem; border-left: 4px solid #595959; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: 1rem; }
figure { margin: 0; }
figure svg { width: 100%; height: auto; }
figcaption, .note { color: #4d4d4d; font-size: .9rem; margin: 0; }
article { border: 1px solid #bbb; border-radius: .4rem; padding: .25rem 1rem; margin: 1rem 0; }
audio { width: 100%; max-width: 28rem; }
.right { color: #00573f; white-space: nowrap; }
.wrong { color: #9a3f00; white-space: nowrap; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<h2>Measured in this run</h2>
$measured
<p>Questions: $questions</p>
<h3>Paired tests on the same questions</h3>
<ul>$comparisons</ul>
<h2>Reproduced?</h2>
$verdicts
<h2>Published, not measured here</h2>
<div class="published">$published</div>
$training
$groups
<h2>Clips to listen to</h2>
<p>Drawn with the seed of the run, for each task among those that $chosen_by answered right and
those that it answered wrong.</p>
$clips
<h2>Settings</h2>
<div class="wide"><table><caption>What was run, and where</caption><tbody>$settings</tbody></table>\
</div>
</main>
</body>
</html>
"""


def write_report(
    path: Path,
    results: Mapping[str, Any],
    published: Published,
    *,
    test_set: QuestionSet,
    training: Mapping[str, Sequence[Mapping[str, Any]]],
    clips: Sequence[Clip],
    chosen_by: str,
    groups: Sequence[Score] = (),
    confused: Sequence[tuple[str, str, int]] = (),
) -> None:
    """Write the page to ``path``, whole or not at all.

    ``results`` is the content of ``results.json``; ``training`` holds for "GRPO" and "SFT", as
    far as there was any, the rows of their ``metrics.jsonl``; ``chosen_by`` is the row by whose
    right and wrong answers ``clips`` were chosen, and whose ``groups`` of questions and commonest
    confusions (right answer, what was said, how often) are shown.

    Raises ``UserError`` where ``path`` cannot be written or a clip's recording cannot be read.
    """
    page = fill(
        PAGE,
        title=f"R1-AQA reproduced: profile {results['profile']}, seed {results['seed']}",
        questions=test_set.text,
        measured=measured_table(results["rows"]),
        comparisons=join(
            fill("<li>$text</li>", text=comparison(test)) for test in results["comparisons"]
        ),
        verdicts=verdicts_section(results.get("verdicts", ()), no_verdict(published, test_set)),
        published=published_tables(published),
        training=join(training_section(name, rows) for name, rows in training.items()),
        chosen_by=chosen_by,
        groups=groups_section(chosen_by, groups, confused),
        clips=join(clip_article(number, clip) for number, clip in enumerate(clips, 1)),
        settings=join(
            fill('<tr><th scope="row">$name</th><td>$value</td></tr>', name=name, value=value)
            for name, value in _flat(results)
        ),
    )
    write_text(path, page)


def _flat(results: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of the settings; what stands elsewhere on the page is left out."""
    for name, value in results.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}: ")
        elif not isinstance(value, list):
            yield prefix + name, value
