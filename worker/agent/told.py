"""What viewers were told by earlier attempts, so that a new one says nothing twice and takes back what it cannot keep.

Text is kept if the step that it belongs to was taken: the model's answer is in the journal, or the agent has gone on to
another step after it. The rest is void: it will be said again, perhaps in other words. No I/O.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from worker.agent.coalescer import DeltaKey
from worker.contract.events import (
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    AgentStarted,
    AgentThinking,
    Event,
    PartialResult,
    RunResumed,
    ToolExecuting,
)


class _Text(NamedTuple):
    seq: int
    key: DeltaKey
    length: int


class Told:
    """Fed with a run's story and its journaled model answers (agent call, number). Empty for a first attempt."""

    def __init__(self, events: Iterable[Event] = (), answers: Collection[tuple[str, int]] = ()) -> None:
        #: When each agent call began, in ms.
        self.began_at: dict[str, int] = {}
        #: By agent call: its text after this event is void.
        self.void: dict[str, int] = {}
        self.top = 0
        self._answers = answers
        self._thoughts: Counter[tuple[str, str]] = Counter()
        self._lengths: Counter[DeltaKey] = Counter()
        self._open: defaultdict[str, list[_Text]] = defaultdict(list)
        for event in events:
            self._observe(event)
        for call_id in self._open:
            self._settle(call_id, at_the_end=True)

    def has_thought(self, call_id: str, text: str) -> bool:
        """Whether a whole thought was told already; asked once for each time that it is thought again."""
        if not self._thoughts[call_id, text]:
            return False
        self._thoughts[call_id, text] -= 1
        return True

    def rest_of(self, key: DeltaKey, text: str) -> str:
        """Leave out of a text what was told already."""
        known = min(self._lengths[key], len(text))
        if known:
            self._lengths[key] -= known
        return text[known:]

    def _observe(self, event: Event) -> None:
        self.top = event.seq
        call_id = event.agent_call_id
        match event:
            case AgentStarted():
                self.began_at.setdefault(call_id, event.at)
                if event.parent_call_id is not None:
                    self._settle(event.parent_call_id)
            case AgentThinking() if not event.data.delta:
                self._thoughts[call_id, event.data.text] += 1
            case AgentThinking():
                key = DeltaKey("thinking", call_id, str(event.data.step))
                self._open[call_id].append(_Text(event.seq, key, len(event.data.text)))
            case PartialResult():
                key = DeltaKey("answer", call_id, event.data.message_id)
                self._open[call_id].append(_Text(event.seq, key, len(event.data.text)))
            case ToolExecuting() | AgentCompleted() | AgentFailed() | AgentCancelled():
                self._settle(call_id)
            case RunResumed():
                for resumed, after in event.data.discard.items():
                    self._open[resumed] = [text for text in self._open[resumed] if text.seq <= after]
            case _:
                pass

    def _settle(self, call_id: str, *, at_the_end: bool = False) -> None:
        """The call has gone on to another step, or the story has ended: then only what the journal has counts."""
        for text in self._open[call_id]:
            if not at_the_end or self._is_answered(text.key):
                self._lengths[text.key] += text.length
            else:
                self.void.setdefault(call_id, text.seq - 1)
        self._open[call_id] = []

    def _is_answered(self, key: DeltaKey) -> bool:
        number = key.part.rpartition(".m")[2] if key.kind == "answer" else key.part
        return number.isdecimal() and (key.agent_call_id, int(number)) in self._answers
