"""The web side's part of `python -m worker check --all`, and of the start of a web process."""

from __future__ import annotations

from collections.abc import Mapping

from web.identity.hook import load_sign_in
from web.settings import WebSettings
from worker.contract.environment import Environment, SettingsError
from worker.contract.findings import WebSide


def look(environ: Mapping[str, str]) -> WebSide:
    """Read the settings and import the team's sign-in; answers everything that is wrong."""
    env = Environment(environ)
    settings = WebSettings.read(env)
    problems = list(env.problems)
    if settings.identity.hook and not any(problem.startswith("IDENTITY ") for problem in problems):
        try:
            load_sign_in(settings.identity.hook)
        except SettingsError as error:
            problems += error.problems
    return WebSide(tuple(dict.fromkeys(problems)), settings.processes)
