"""`make staging`: run the deployed artefact on a platform of this machine and check it, or check one elsewhere.

`python -m tests.staging.run --help` lists what can be asked for.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.staging.platform.parts import Plan
from tests.staging.session import PAGE, Wish, run_session
from tests.support.environment import ROOT
from tests.support.node import give_to_playwright


def main(arguments: Sequence[str]) -> int:
    """Run a session; returns the exit code."""
    wish = _read(arguments)
    give_to_playwright()
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begun = time.monotonic()
    report = run_session(wish, lambda words: print(f"staging: {time.monotonic() - begun:5.1f} s  {words}", flush=True))
    for check in report.failed:
        print(f"staging: does not hold: {check.statement}")
    if report.problem:
        print(f"staging: {report.problem}")
    verdict = "passed" if report.is_passed else "FAILED"
    print(f"staging: {verdict}, {len(report.checks)} checks in {time.monotonic() - begun:.0f} s")
    print(f"staging: report in {PAGE.relative_to(ROOT)}")
    return 0 if report.is_passed else 1


def _read(arguments: Sequence[str]) -> Wish:
    parser = argparse.ArgumentParser(prog="python -m tests.staging.run", description=__doc__)
    parser.add_argument("--url", default="", help="check this deployment instead of one on this machine")
    parser.add_argument("--authority", type=Path, help="PEM of a private authority that vouches for --url")
    parser.add_argument(
        "--without", default="", choices=["", *Plan().names], help="leave this part out, to see it named"
    )
    parser.add_argument("--fresh", action="store_true", help="make the environment anew")
    parser.add_argument("--work-tree", action="store_true", help="deploy the files as they lie here, committed or not")
    parser.add_argument("--only", default="", help="only checks whose names match, as pytest's -k")
    return Wish(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
