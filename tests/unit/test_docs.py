"""The documentation names what the code has: settings, events, codes, make targets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.environment import ROOT
from web.relay.messages import CloseCode
from web.settings import WebSettings
from worker.agent.registry import load_registry
from worker.contract import metrics
from worker.contract.environment import SettingsError
from worker.contract.errors import FailureCode
from worker.contract.events import EVENT_TYPES
from worker.contract.trace_export import is_wanted
from worker.local.settings import LocalSettings
from worker.settings import WorkerSettings
from worker.wiring import quick_check


class Recording(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        self.asked.add(name)
        return default

    def __getitem__(self, name: str) -> str:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def asked_of(settings: type[WebSettings | WorkerSettings]) -> set[str]:
    environ = Recording()
    with pytest.raises(SettingsError):
        settings.from_env(environ)
    return environ.asked


def _asked_by_make_run() -> set[str]:
    environ = Recording()
    LocalSettings.from_env(environ)
    return environ.asked


def _asked_for_traces() -> set[str]:
    environ = Recording()
    assert not is_wanted(environ)
    return environ.asked


def page(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    read = asked_of(WebSettings) | asked_of(WorkerSettings) | _asked_by_make_run() | _asked_for_traces()
    documented = set(re.findall(r"^\| `([A-Z_]+)`", page("docs/settings.md"), re.MULTILINE))

    assert documented == read


def test_every_metric_is_documented_as_the_code_has_it() -> None:
    assert metrics.table() in page("docs/operations.md")


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_every_event_is_documented(name: str) -> None:
    assert f"`{name}`" in page("docs/events.md")


@pytest.mark.parametrize("code", FailureCode)
def test_every_failure_code_is_documented(code: FailureCode) -> None:
    assert f"`{code}`" in page("docs/events.md")


@pytest.mark.parametrize("code", CloseCode)
def test_every_close_code_is_documented_or_the_standards_own(code: CloseCode) -> None:
    standard = {1001, 1002, 1003, 1007, 1011}
    assert code in standard or f"| {int(code)} |" in page("docs/protocol.md")


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{source.name}: {target}"
        for source in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", source.read_text())
        if not (source.parent / target).exists()
    ]

    assert broken == []


async def test_the_agents_of_the_readme_are_wired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"```python\n# (?:team_agents.py)\n(.*?)```", page("README.md"), re.DOTALL)
    (tmp_path / "team_agents.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))

    found = await quick_check(load_registry(["team_agents", "worker.crew.agents"]))

    assert len(code.splitlines()) <= 20
    assert [agent for agent, _ in found][:2] == ["counter", "buyer"]
    assert [problems for _, problems in found] == [[]] * 10


def test_the_readme_stays_short() -> None:
    assert len(page("README.md").splitlines()) <= 120


def test_no_module_is_longer_than_400_lines() -> None:
    modules = [path for folder in ("worker", "web") for path in Path(ROOT / folder).rglob("*.*")]
    sources = [path for path in modules if path.suffix in {".py", ".js", ".css", ".lua"} and "vendor" not in path.parts]

    assert [str(path) for path in sources if len(path.read_text().splitlines()) > 400] == []
