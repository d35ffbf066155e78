"""``r1aqa data``: make, convert, fetch and audit questions and recordings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from r1aqa_helpers.cli import options as opt
from r1aqa_helpers.utils.errors import UserError
from r1aqa_helpers.utils.run_dir import check_writable
from r1aqa_helpers.utils.untrusted import shown

if TYPE_CHECKING:
    from r1aqa_helpers.data.parse import Prepared

_SHOWN = 10  # of the questions that a conversion left out
data_app = typer.Typer(help="Prepare the questions and recordings.", **opt.GROUP)
fetch_app = typer.Typer(help="Fetch published questions and recordings.", **opt.GROUP)
data_app.add_typer(fetch_app, name="fetch")
FromFolder = Annotated[
    Path | None,
    typer.Option("--from", help="Folder that you have, in place of the Hugging Face Hub."),
]


@data_app.command("prepare")
def data_prepare(
    force: Annotated[bool, typer.Option("--force", help="Render again what exists.")] = False,
) -> None:
    """Render the tiny track's recordings and write its files of questions."""
    from r1aqa_helpers.tiny.data import prepare

    data = prepare(force=force)
    for name in ("train", "validation", "test"):
        opt.echo(f"{name}: {shown(getattr(data, name))}")


@data_app.command("audit")
def data_audit(
    file: Annotated[
        Path, typer.Argument(help="Questions: .jsonl (AVQA lines) or .json (MMAU).", metavar="FILE")
    ],
    against: Annotated[
        Path | None, typer.Option(help="Another file, to compare with: shared ids, differences.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Count a file's questions, gold positions, best constant answers and duplicates."""
    from r1aqa_helpers.data.audit import audit_file, audit_text

    report = audit_file(file, against)
    opt.echo_result(report, as_json, audit_text(report))


@data_app.command("convert-avqa")
def data_convert_avqa(
    annotations: Annotated[Path, typer.Option(help="AVQA's own train_qa.json or val_qa.json.")],
    audio_dir: Annotated[Path, typer.Option(help="Folder of the clips.")],
    out: Annotated[Path, typer.Option(help="R1-AQA's lines, .jsonl.")],
) -> None:
    """Turn AVQA's annotations into R1-AQA's training lines.

    Questions whose clip is missing or broken are left out, counted, and listed in a file
    beside OUT.
    """
    if out.suffix.lower() != ".jsonl":
        raise UserError(f"{shown(out)}: unknown kind of question file; name it .jsonl")
    check_writable(out.parent)
    from r1aqa_helpers.data.avqa import convert_avqa

    _print_prepared(convert_avqa(annotations, audio_dir, out))


@fetch_app.command("mmau")
def data_fetch_mmau(
    version: Annotated[
        Literal["v1", "v05.15.25"] | None,
        typer.Option(help="Fail where the questions are not of this release."),
    ] = None,
    folder: FromFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="By default runs/mmau-test-mini-VERSION.")
    ] = None,
) -> None:
    """Fetch MMAU test-mini: questions as MMAU's JSON, recordings, and source.json.

    From the Hugging Face Hub, or from a folder with parquet files, or with MMAU's JSON and
    recordings, or from such a JSON file. The content decides which release it is. Questions whose
    recording is missing or broken are left out, counted, and listed in source.json. After an
    interruption, the same command resumes.
    """
    if out is not None:
        check_writable(out)
    from r1aqa_helpers.data.mmau.prepare import fetch_mmau

    done = fetch_mmau(version, folder, out)
    _print_prepared(done)
    changed = ", with changed texts" if done.release and not done.exact else ""
    note = "" if done.exact else "; do not compare with published results"
    opt.echo(f"release: {done.release or 'unknown'}{changed}{note}")


@fetch_app.command("avqa")
def data_fetch_avqa(
    folder: FromFolder = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = opt.RUNS / "avqa",
    split: Annotated[
        Literal["train", "validation"], typer.Option(help="R1-AQA trains on train.")
    ] = "train",
) -> None:
    """Fetch AVQA for training: R1-AQA's lines, and the clips as files.

    From gijs/avqa-processed on the Hugging Face Hub, or from a folder with its parquet files.
    Rows whose clip is missing or broken are left out, counted, and listed in a file beside the
    lines. After an interruption, the same command resumes.
    """
    check_writable(out)
    from r1aqa_helpers.data.avqa_hub import fetch_avqa

    _print_prepared(fetch_avqa(split, folder, out))


def _print_prepared(done: "Prepared") -> None:
    opt.echo(f"{done.questions} questions about {done.clips} clips in {shown(done.file)}")
    kinds = ", ".join(f"{kind} {n}" for kind, n in done.counts.items())
    opt.echo(f"left out: {len(done.left_out)} ({kinds}), listed in {shown(done.list_file)}")
    for each in done.left_out[:_SHOWN]:
        opt.echo(f"  {each.kind}: {shown(each.place)}: {shown(each.reason)}")
    if len(done.left_out) > _SHOWN:
        opt.echo(f"  and {len(done.left_out) - _SHOWN} more")
