"""What is here and what is missing: machine, versions, profile, room, Hub, weights, data.

``r1aqa doctor`` prints it; ``python -m r1aqa_helpers.doctor`` does, too, where the command line
cannot even start: to start, the doctor needs nothing but the standard library. It changes nothing
and downloads nothing. A probe that fails says so, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import sys

from r1aqa_helpers.doctor.examination import examine


def main(arguments: list[str] | None = None) -> int:
    """``python -m r1aqa_helpers.doctor [--json] [--offline]``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m r1aqa_helpers.doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--offline", action="store_true", help="leave the Hub alone")
    options = parser.parse_args(arguments)
    done = examine(offline=options.offline)
    report = done.as_dict()
    print(json.dumps(report, ensure_ascii=False) if options.json else done.as_text())
    print(("error: " if done.stops else "") + done.verdict(), file=sys.stderr)
    return 1 if done.stops else 0


if __name__ == "__main__":
    sys.exit(main())
