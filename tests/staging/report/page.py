"""The report as one page that needs nothing beside it."""

from __future__ import annotations

import base64
import html
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from tests.staging.report.model import Check, Figure, Output, Picture, Report

_STYLE = Path(__file__).parent / "page.css"


def write_page(report: Report, file: Path) -> None:
    """Write the page; may be called again when there is more to tell."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(report))


def render(report: Report) -> str:
    """The page's text. Everything in it that comes from elsewhere is escaped."""
    verdict = "passed" if report.is_passed else "failed"
    parts = [
        f"<h1>Staging check <span class='verdict {verdict}'>{verdict}</span></h1>",
        f"<p class='lead'>{_e(_summary(report))}</p>",
        _problem(report),
        _failures(report.failed),
        _table("Deployed", report.deployed),
        _table("Formation", report.formation),
        _table("Figures", report.figures),
        _pictures(report.pictures),
        _checks(report.checks),
        _outputs(report.outputs),
    ]
    head = (
        "<meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Staging check: {verdict}</title><style>{_STYLE.read_text()}</style>"
    )
    return f"<!doctype html><html lang='en'><head>{head}</head><body><main>{''.join(parts)}</main></body></html>\n"


def _summary(report: Report) -> str:
    begun = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report.begun_at))
    took = (report.ended_at or time.time()) - report.begun_at
    count = len(report.checks)
    return f"{count} checks, {len(report.failed)} failed, at {report.address or 'no address'}, {begun}, {took:.0f} s."


def _problem(report: Report) -> str:
    return (
        f"<section class='problem'><h2>Ended early</h2><pre>{_e(report.problem)}</pre></section>"
        if report.problem
        else ""
    )


def _failures(failed: Sequence[Check]) -> str:
    if not failed:
        return ""
    shown = "".join(
        f"<details open><summary>{_e(check.statement)}</summary><pre>{_e(check.words)}</pre></details>"
        for check in failed
    )
    return f"<section class='problem'><h2>Does not hold</h2>{shown}</section>"


def _table(title: str, figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    rows = "".join(
        f"<tr><th scope='row'>{_e(figure.name)}</th><td>{_e(figure.value)}</td>"
        f"<td class='words'>{_e(figure.words)}</td></tr>"
        for figure in figures
    )
    return f"<section><h2>{_e(title)}</h2><div class='wide'><table>{rows}</table></div></section>"


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    shown = "".join(_picture(picture) for picture in pictures)
    return f"<section><h2>What a person sees</h2><div class='pictures'>{shown}</div></section>"


def _picture(picture: Picture) -> str:
    content = base64.b64encode(picture.content).decode()
    source = f"data:image/{picture.kind};base64,{content}"
    caption = _e(picture.caption)
    return f"<figure><img src='{source}' alt='{caption}' loading='lazy'><figcaption>{caption}</figcaption></figure>"


def _checks(checks: Iterable[Check]) -> str:
    ordered = sorted(checks, key=lambda check: check.group)
    return "".join(_group(group, list(found)) for group, found in groupby(ordered, lambda check: check.group))


def _group(group: str, checks: Sequence[Check]) -> str:
    rows = "".join(
        f"<tr class='{check.outcome}'><td class='mark'>{check.outcome}</td><td>{_e(check.statement)}</td>"
        f"<td class='number'>{check.seconds:.1f} s</td></tr>"
        for check in checks
    )
    return f"<section><h2>{_e(group)}</h2><div class='wide'><table>{rows}</table></div></section>"


def _outputs(outputs: Sequence[Output]) -> str:
    if not outputs:
        return ""
    shown = "".join(
        f"<details><summary>{_e(output.name)}</summary><pre>{_e(output.words or 'nothing')}</pre></details>"
        for output in outputs
    )
    return f"<section><h2>Last words of the processes</h2>{shown}</section>"


def _e(text: str) -> str:
    return html.escape(text, quote=True)
