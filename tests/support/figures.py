"""Reads what `/metrics` answers."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import scaled, wait_until


class Figures:
    """One answer of `/metrics`."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.names = {family.name for family in families}
        self._samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum over all series of this name that have these labels; 0 when there is none."""
        return sum(
            sample.value for sample in self._samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def label(self, name: str, label: str) -> set[str]:
        """The values of a label of this name's series."""
        return {sample.labels[label] for sample in self._samples if sample.name == name}


def figures_at(url: str) -> Figures:
    """Ask a running web process."""
    return Figures(httpx.get(f"{url}/metrics", timeout=scaled(10)).raise_for_status().text)


def figures_when(url: str, is_so: Callable[[Figures], bool], deadline: float = 20.0, *, what: str) -> Figures:
    """Ask again and again until the answer is as expected, and give it."""
    found: list[Figures] = []

    def look() -> bool:
        found.append(figures_at(url))
        return is_so(found[-1])

    wait_until(look, deadline, what=what)
    return found[-1]
