"""One staging session: bring the platform up, or find the deployment; check it; tell what was found."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.staging.platform.artefact import Artefact, deploy, deploy_work_tree
from tests.staging.platform.environment import make_environment
from tests.staging.platform.errors import PartMissing
from tests.staging.platform.packages import find_program, version_of
from tests.staging.platform.parts import Plan
from tests.staging.platform.platform import Platform, Programs, running
from tests.staging.platform.roll_call import call_the_roll
from tests.staging.plugin import StagingPlugin
from tests.staging.report.model import Figure, Output, Report
from tests.staging.report.page import write_page
from tests.staging.target import Target, target_at
from tests.support.chromium import ChromiumMissing, find_chromium
from tests.support.environment import ROOT

STORE = ROOT / ".staging"
RESULTS = ROOT / "test-artifacts" / "staging"
PAGE = RESULTS / "report.html"

_ANYWHERE = "tests/staging/anywhere"
#: Run where the agents that they ask for are deployed.
_BROWSER = ("tests/browser/test_chat.py", "tests/browser/test_second_message.py", "tests/browser/test_approvals.py")
#: In this order: what ends processes comes after what needs them to stay.
_PLATFORM_ONLY = tuple(
    f"tests/staging/platform_only/test_{name}.py" for name in ("router", "deploy", "faults", "at_the_end")
)

_OPTIONS = (
    *("-v", "--no-header", "--tb=short", "-p", "no:cacheprovider"),
    # pytest runs inside of us, so some of its plugins are imported already.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)

_CUT_SHORT = "The session was cut short."

Say = Callable[[str], object]


@dataclass(frozen=True)
class Wish:
    """What a person has asked for."""

    #: Of a deployment elsewhere; empty for a platform of our own.
    url: str = ""
    #: PEM of the authority that vouches for it.
    authority: Path | None = None
    #: The part to be left out.
    without: str = ""
    fresh: bool = False
    #: Take the files as they lie there.
    work_tree: bool = False
    #: Only tests whose names match, as pytest's -k.
    only: str = ""


def run_session(wish: Wish, say: Say) -> Report:
    """Check what is wished, and write the page, whatever comes of it."""
    report = Report(problem=_CUT_SHORT)
    try:
        # Asked for first: nobody should wait minutes to be told.
        report.deployed.append(Figure("Chromium", version_of(find_chromium(), "--version")))
        if wish.url:
            _check_elsewhere(wish, report)
        else:
            _check_own(wish, report, say)
        report.problem = report.problem.removeprefix(_CUT_SHORT)
    except (PartMissing, ChromiumMissing) as missing:
        report.problem = str(missing)
    finally:
        report.ended_at = time.time()
        write_page(report, PAGE)
    return report


def _check_elsewhere(wish: Wish, report: Report) -> None:
    report.address = wish.url
    target = target_at(wish.url, wish.authority)
    _run_tests(wish, [_ANYWHERE], target, None, report)


def _check_own(wish: Wish, report: Report, say: Say) -> None:
    directory = Path(tempfile.mkdtemp(prefix="outloud-staging-"))
    try:
        artefact = _copy(wish, directory / "app", say)
        say(f"deploying {artefact.commit}, {artefact.subject!r}")
        if artefact.left_out:
            say(f"{artefact.left_out} changed files are not committed, and so are not deployed")
        programs = _find_programs(artefact, wish, say)
        _describe(artefact, programs, report)
        platform = Platform(artefact, programs, directory / "platform", Plan(without=wish.without))
        with running(platform, say=say):
            report.address = platform.url
            try:
                say("roll call")
                call_the_roll(platform)
                _run_tests(wish, [_ANYWHERE, *_BROWSER, *_PLATFORM_ONLY], _target(platform), platform, report)
            finally:
                _take_down(platform, report)
    except PartMissing:
        _keep_logs(directory, report)
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _copy(wish: Wish, directory: Path, say: Say) -> Artefact:
    if wish.work_tree:
        return deploy_work_tree(ROOT, directory)
    find_program("git", package="git", say=say)
    return deploy(ROOT, directory)


def _find_programs(artefact: Artefact, wish: Wish, say: Say) -> Programs:
    redis = find_program("redis-server", package="redis-server", say=say)
    haproxy = find_program("haproxy", package="haproxy", say=say)
    say("making the environment from the lock file, or taking the one of the last time")
    return Programs(redis, haproxy, make_environment(artefact.lock, STORE, fresh=wish.fresh))


def _describe(artefact: Artefact, programs: Programs, report: Report) -> None:
    left_out = f"{artefact.left_out} changed files of the checkout are not in it" if artefact.left_out else ""
    report.deployed[:0] = [
        Figure("Commit", artefact.commit, artefact.subject),
        Figure("Files", "copied from the commit", left_out),
        Figure(
            "Environment", version_of(programs.environment / "python", "--version"), "from requirements.txt, by hash"
        ),
        Figure(
            "Redis",
            version_of(programs.redis, "--version"),
            "TLS of a private authority, password, few connections, noeviction",
        ),
        Figure("HAProxy", version_of(programs.haproxy, "-v"), "TLS, no stickiness, 55 s idle, 30 s to the first byte"),
    ]


def _target(platform: Platform) -> Target:
    return Target(platform.url, platform.tls, platform.certificates.authority, platform.certificates.router_pin)


def _run_tests(wish: Wish, paths: Sequence[str], target: Target, platform: Platform | None, report: Report) -> None:
    if target.authority is not None:
        # For requests that Playwright makes beside its browser.
        os.environ["NODE_EXTRA_CA_CERTS"] = str(target.authority)
    only = ("-k", wish.only) if wish.only else ()
    code = pytest.main([*_OPTIONS, *only, *paths], plugins=[StagingPlugin(target, platform, report)])
    sys.stdout.flush()
    if platform is not None and platform.watch.ends:
        report.problem = platform.watch.ends[0].words
    elif code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        report.problem = f"The tests ended with {code!s}."


def _take_down(platform: Platform, report: Report) -> None:
    """Write down what the processes hold and said; they are ended by the caller."""
    platform.watch.look()
    report.formation = [
        Figure(
            process.name,
            f"{process.resident_mb:.0f} MB",
            "running" if process.is_running else f"ended with {process.exit_code}",
        )
        for process in platform.processes
    ]
    _keep_logs(platform.directory.parent, report)


def _keep_logs(directory: Path, report: Report) -> None:
    """Copy what the processes said to where it outlives them."""
    logs = directory / "platform" / "logs"
    if not logs.exists():
        return
    shutil.rmtree(RESULTS / "logs", ignore_errors=True)
    shutil.copytree(logs, RESULTS / "logs")
    report.outputs = [
        Output(file.stem, "\n".join(file.read_text(errors="replace").splitlines()[-15:]))
        for file in sorted(logs.iterdir())
    ]
