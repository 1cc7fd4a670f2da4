"""A Chromium for the browser tests: found on this machine, or brought.

`python -m tests.support.chromium` (make chromium) finds one or installs one: Playwright's own if the download works,
else, as root on Debian, the distribution's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.node import give_to_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOAD_SECONDS = 120
INSTALL_SECONDS = 900
VERSION_SECONDS = 30
#: Beside the browser, a font: without one, pages have no letters.
DEBIAN_PACKAGES = ("chromium", "fonts-liberation")


class ChromiumMissing(Exception):
    """No Chromium that starts was found."""


def find_chromium() -> Path:
    """Return the browser's program: Playwright's own, else one on the PATH.

    Raises:
        ChromiumMissing: if there is none that starts.
    """
    with sync_playwright() as playwright:
        candidates = [playwright.chromium.executable_path]
    candidates += [found for name in NAMES if (found := shutil.which(name))]
    for candidate in candidates:
        if _starts(candidate):
            return Path(candidate)
    raise ChromiumMissing(
        "The browser tests need Chromium: install it (Debian: sudo apt-get install chromium), "
        "or run `.venv/bin/playwright install --with-deps chromium`."
    )


def launch_arguments() -> list[str]:
    """Arguments that let Chromium run here: its sandbox refuses root, and containers have a small /dev/shm."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def main() -> int:
    """Find or install a Chromium and print which; returns the exit code."""
    give_to_playwright()
    try:
        print(f"chromium: {_find_or_install()}")
    except ChromiumMissing as error:
        print(f"chromium: {error}", file=sys.stderr)
        return 1
    return 0


def _find_or_install() -> Path:
    for install in (_download, _install_debian_package):
        with contextlib.suppress(ChromiumMissing):
            return find_chromium()
        install()
    return find_chromium()


def _starts(program: str) -> bool:
    """Whether it exists and finds its libraries; a fresh download on a bare machine does not."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, timeout=VERSION_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _download() -> None:
    print("chromium: none found; downloading Playwright's own", flush=True)
    _run([sys.executable, "-m", "playwright", "install", "chromium"], seconds=DOWNLOAD_SECONDS)


def _install_debian_package() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print("chromium: installing the distribution's", flush=True)
    _run(["apt-get", "update", "-qq"], seconds=INSTALL_SECONDS)
    _run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *DEBIAN_PACKAGES], seconds=INSTALL_SECONDS)


def _run(command: list[str], *, seconds: float) -> None:
    """Run an installer quietly; whether it helped is seen by looking for the browser again."""
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, env=environ, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        print(f"chromium: gave up on {command[0]} after {seconds} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
