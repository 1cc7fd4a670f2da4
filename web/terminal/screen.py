"""A story on a terminal: finished steps scroll by above, and below them a small region shows what goes on.

The region stays small, since a terminal cannot take back what has scrolled out of it. Everything is drawn by the event
loop's OS thread, so that no drawing meets a story that is just being changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text as Styled

from web.terminal.activity import Situation, label_of, open_tools, writing_of
from web.terminal.brush import Brush
from web.terminal.lines import Line, Printed
from web.terminal.outputs import restart_words
from web.terminal.telling import Teller
from web.terminal.text import clean
from web.terminal.words import LOST

_FRAME_SECONDS = 0.1
#: The region takes at most this share of the screen, and never more than these lines.
_SHARE, _MAX_LINES, _MIN_LINES = 3, 10, 3


class ScreenOutput:
    """Draws on a terminal.

    Args:
        server_time: Unix seconds, by the clock that the events' times are from.
    """

    def __init__(self, console: Console, situation: Situation, *, server_time: Callable[[], float]) -> None:
        self._console = console
        self._situation = situation
        self._server_time = server_time
        self._began = time.monotonic()
        self._teller = Teller()
        self._brush = Brush(console)
        #: Held back while a person is asked.
        self._held: list[RenderableType] | None = None
        self._live: Live | None = None
        self._drawer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to draw; needs the event loop."""
        self._open()
        self._drawer = asyncio.create_task(self._draw_on())

    def show(self, raw: bytes, printed: Sequence[Printed], teller: Teller) -> None:
        self._teller = teller
        if teller.outcome:
            self._stop()
        for one in printed:
            if not (isinstance(one.item, Line) and one.item.is_passing):
                self._print(self._brush.draw(one))

    def restart(self, run_id: str, reason: str, cursor: str) -> None:
        self._teller = Teller()
        self._brush = Brush(self._console)
        self.note(restart_words(reason))

    def gone(self, run_id: str) -> None:
        self._stop()
        self._print(Styled(LOST, style="bold red"))

    def note(self, text: str) -> None:
        self._print(Styled(clean(text), style="yellow"))

    def hint(self, text: str) -> None:
        self._print(Styled(clean(text), style="dim"))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        self._close()
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held or [], None
            for one in held:
                self._print(one)
            if not self._teller.outcome and self._drawer is not None:
                self._open()

    def close(self) -> None:
        self._stop()

    def _print(self, renderable: RenderableType) -> None:
        if self._held is not None:
            self._held.append(renderable)
        else:
            self._console.print(renderable)

    def _open(self) -> None:
        self._live = Live(
            console=self._console,
            get_renderable=self._region,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._live.start()

    def _close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _stop(self) -> None:
        drawer, self._drawer = self._drawer, None
        if drawer is not None:
            drawer.cancel()
        self._close()

    async def _draw_on(self) -> None:
        while True:
            if self._live is not None:
                self._live.refresh()
            await asyncio.sleep(_FRAME_SECONDS)

    def _region(self) -> RenderableType:
        if self._teller.outcome:
            return Group()
        room = max(_MIN_LINES, min(_MAX_LINES, self._console.height // _SHARE)) - 1
        tools = open_tools(self._teller)[-room:]
        rows: list[RenderableType] = [self._brush.tool(one, now=self._server_time()) for one in tools]
        if (call := writing_of(self._teller)) is not None and call.writer.current is not None and len(rows) < room:
            rows.insert(0, self._brush.tail(call, call.writer.current, lines=room - len(rows)))
        return Group(*rows, self._brush.state(label_of(self._teller, self._situation), seconds=self._seconds()))

    def _seconds(self) -> float:
        began_at = self._teller.began_at
        return self._server_time() - began_at / 1000 if began_at else time.monotonic() - self._began
