"""A line of the report, and all of them: findings, what to do next, the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

OK, NOTE, STOP = "ok", "note", "stop"
GB = 1e9
#: What to do, where probes of several files say it.
INSTALL = "install the packages: uv sync, or pip install -e ."


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        check: the probe that found it.
        status: "ok", "note" (worth knowing) or "stop" (the main job cannot run).
        text: what is so.
        next: what to do about it, if anything.
    """

    check: str
    status: str
    text: str
    next: str | None = None


@dataclass
class Examination:
    """All that was found out, in the order of the probes.

    Attributes:
        wanted: the profile that the user asked about; None: the hardware picks.
        offline: whether the Hub is left alone.
        facts: probe -> JSON values by name; ``{"error": …}`` where it could not be found out.
        findings: lines for the user.
    """

    wanted: str | None = None
    offline: bool = False
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def stops(self) -> list[Finding]:
        """What keeps the main job from running."""
        return [finding for finding in self.findings if finding.status == STOP]

    @property
    def next(self) -> list[str]:
        """What to do, the most urgent first; each thing once."""
        ordered = self.stops + [f for f in self.findings if f.status != STOP]
        steps = list(dict.fromkeys(f.next for f in ordered if f.next))
        if not self.stops:
            steps.append(f"run the main job: {self.command}")
        return steps

    @property
    def command(self) -> str:
        """The main job's, for the profile that was examined."""
        files = " --train FILE --test FILE" if self.known("profile", "needs_questions") else ""
        return "r1aqa reproduce" + (f" --profile {self.wanted}" if self.wanted else "") + files

    def known(self, check: str, name: str) -> Any:
        """A fact, or None where it was not found out."""
        return self.facts.get(check, {}).get(name)

    def as_dict(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        return {
            "main_job_can_run": not self.stops,
            "checks": self.facts,
            "findings": [asdict(finding) for finding in self.findings],
            "next": self.next,
        }

    def as_text(self) -> str:
        """The report as the terminal shows it: a line per finding, then what to do."""
        width = max((len(f.check) for f in self.findings), default=0)
        lines = [f"{f.status:<4}  {f.check:<{width}}  {f.text}" for f in self.findings]
        lines += ["", "What to do next:"]
        lines += [f"{number:>3}. {step}" for number, step in enumerate(self.next, 1)]
        return "\n".join(lines)

    def verdict(self) -> str:
        """One line: whether the main job can run."""
        if not self.stops:
            return "the main job can run"
        marked = "1 finding" if len(self.stops) == 1 else f"{len(self.stops)} findings"
        return f"the main job cannot run here yet: {marked} above marked stop"


#: What a probe returns: facts by name, and lines for the user.
Found = tuple[dict[str, Any], list[Finding]]


def gb(size: float) -> str:
    """Bytes as the report shows them."""
    return f"{size / GB:.1f} GB"


def one_line(fault: BaseException) -> str:
    """The kind of a fault and the first line of its text, printable."""
    text = (str(fault).splitlines() or [""])[0][:200]
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__
