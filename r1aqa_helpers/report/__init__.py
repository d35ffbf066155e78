"""One self-contained web page about a reproduction: tables, curves, and clips to listen to."""

from r1aqa_helpers.report.render import CURVES, Answer, Clip, choose_clips, write_report

__all__ = ["CURVES", "Answer", "Clip", "choose_clips", "write_report"]
