"""The two protocols as bytes: OpenAI chat completions and Anthropic messages, streamed and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.model_script import Call, Refusal, Reply, Text, Thinking, Wait


class Piece(NamedTuple):
    """Bytes to send, then a pause in seconds; or, without bytes, a `Wait`."""

    data: bytes
    pause: float = 0.0
    wait: Wait | None = None


class OpenAI:
    """https://platform.openai.com/docs/api-reference/chat"""

    path = "/v1/chat/completions"

    @staticmethod
    def key(headers: dict[str, str]) -> str:
        return headers.get("authorization", "").removeprefix("Bearer ")

    @staticmethod
    def system(body: dict[str, Any]) -> str:
        return "\n".join(
            _plain(message["content"]) for message in body["messages"] if message["role"] in ("system", "developer")
        )

    @staticmethod
    def error(refused: Refusal) -> dict[str, Any]:
        return {"error": {"message": refused.message, "type": refused.kind, "code": refused.code, "param": None}}

    def stream(self, reply: Reply, model: str) -> Iterator[Piece]:
        yield _sse(self._chunk(model, {"role": "assistant", "content": ""}))
        for place, part in _numbered(reply, Call):
            match part:
                case Wait():
                    yield Piece(b"", wait=part)
                case Text(deltas, pause):
                    yield from (_sse(self._chunk(model, {"content": delta}), pause) for delta in deltas)
                case Thinking(deltas, pause):
                    yield from (_sse(self._chunk(model, {"reasoning_content": delta}), pause) for delta in deltas)
                case Call():
                    yield from (_sse(self._chunk(model, delta)) for delta in self._call_deltas(part, place))
        if reply.error is not None:
            yield _sse(self.error(reply.error))
        elif reply.ending == "whole":
            yield _sse(self._chunk(model, {}, finish=self._finish(reply)))
            yield _sse({**self._chunk(model, {}), "choices": [], "usage": self._usage(reply)})
            yield Piece(b"data: [DONE]\n\n")

    def whole(self, reply: Reply, model: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": _joined(reply, Text) or None}
        if thoughts := _joined(reply, Thinking):
            message["reasoning_content"] = thoughts
        calls = [self._call(part) for part in reply.parts if isinstance(part, Call)]
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": self._finish(reply)}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": model}
        return {**head, "choices": [choice], "usage": self._usage(reply)}

    def _chunk(self, model: str, delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model}
        return {**head, "choices": [choice]}

    def _call_deltas(self, part: Call, place: int) -> Iterator[dict[str, Any]]:
        head = {**self._call(part), "index": place, "function": {"name": part.name, "arguments": ""}}
        yield {"tool_calls": [head]}
        for piece in _halves(_json(part.arguments)):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}

    @staticmethod
    def _call(part: Call) -> dict[str, Any]:
        function = {"name": part.name, "arguments": _json(part.arguments)}
        return {"id": part.call_id, "type": "function", "function": function}

    @staticmethod
    def _finish(reply: Reply) -> str:
        return reply.finish or ("tool_calls" if _calls_tools(reply) else "stop")

    @staticmethod
    def _usage(reply: Reply) -> dict[str, int]:
        return {
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        }


class Anthropic:
    """https://platform.claude.com/docs/en/api/messages"""

    path = "/v1/messages"

    @staticmethod
    def key(headers: dict[str, str]) -> str:
        return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")

    @staticmethod
    def system(body: dict[str, Any]) -> str:
        return _plain(body.get("system", ""))

    @staticmethod
    def error(refused: Refusal) -> dict[str, Any]:
        return {"type": "error", "error": {"type": refused.code or refused.kind, "message": refused.message}}

    def stream(self, reply: Reply, model: str) -> Iterator[Piece]:
        yield _event({"type": "message_start", "message": self._message(reply, model)})
        yield _event({"type": "ping"})
        for place, part in _numbered(reply, Text | Thinking | Call):
            if isinstance(part, Wait):
                yield Piece(b"", wait=part)
            else:
                yield from self._block(place, part)
        if reply.error is not None:
            yield _event(self.error(reply.error))
        elif reply.ending == "whole":
            delta = {"stop_reason": self._finish(reply), "stop_sequence": None}
            usage = {"output_tokens": reply.output_tokens}
            yield _event({"type": "message_delta", "delta": delta, "usage": usage})
            yield _event({"type": "message_stop"})

    def whole(self, reply: Reply, model: str) -> dict[str, Any]:
        content = [self._content(part) for part in reply.parts if not isinstance(part, Wait)]
        return {**self._message(reply, model), "content": content, "stop_reason": self._finish(reply)}

    def _block(self, place: int, part: Text | Thinking | Call) -> Iterator[Piece]:
        empty = {"text": "", "thinking": "", "signature": "", "input": {}}
        whole = self._content(part)
        yield _event(
            {
                "type": "content_block_start",
                "index": place,
                "content_block": {name: empty.get(name, value) for name, value in whole.items()},
            }
        )
        for delta, pause in self._deltas(part):
            yield _event({"type": "content_block_delta", "index": place, "delta": delta}, pause)
        yield _event({"type": "content_block_stop", "index": place})

    @staticmethod
    def _deltas(part: Text | Thinking | Call) -> Iterator[tuple[dict[str, Any], float]]:
        match part:
            case Text(deltas, pause):
                yield from (({"type": "text_delta", "text": delta}, pause) for delta in deltas)
            case Thinking(deltas, pause):
                yield from (({"type": "thinking_delta", "thinking": delta}, pause) for delta in deltas)
                yield {"type": "signature_delta", "signature": "c2lnbmVk"}, 0.0
            case Call():
                pieces = _halves(_json(part.arguments))
                yield from (({"type": "input_json_delta", "partial_json": piece}, 0.0) for piece in pieces)

    @staticmethod
    def _content(part: Text | Thinking | Call) -> dict[str, Any]:
        match part:
            case Text(deltas):
                return {"type": "text", "text": "".join(deltas)}
            case Thinking(deltas):
                return {"type": "thinking", "thinking": "".join(deltas), "signature": "c2lnbmVk"}
            case Call():
                return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": part.arguments}

    @staticmethod
    def _message(reply: Reply, model: str) -> dict[str, Any]:
        usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
        return {**head, "stop_reason": None, "stop_sequence": None, "usage": usage}

    @staticmethod
    def _finish(reply: Reply) -> str:
        return reply.finish or ("tool_use" if _calls_tools(reply) else "end_turn")


Protocol = OpenAI | Anthropic
PROTOCOLS: dict[str, Protocol] = {protocol.path: protocol for protocol in (OpenAI(), Anthropic())}


def _numbered(reply: Reply, counted: Any) -> Iterator[tuple[int, Text | Thinking | Call | Wait]]:
    """The parts, each with the number of parts of the `counted` classes before it."""
    number = 0
    for part in reply.parts:
        yield number, part
        number += isinstance(part, counted)


def _calls_tools(reply: Reply) -> bool:
    return any(isinstance(part, Call) for part in reply.parts)


def _joined(reply: Reply, kind: type[Text] | type[Thinking]) -> str:
    return "".join("".join(part.deltas) for part in reply.parts if isinstance(part, kind))


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _halves(content: str) -> tuple[str, str]:
    """Two pieces, so that a reader has to join them."""
    middle = len(content) // 2
    return content[:middle], content[middle:]


def _sse(payload: dict[str, Any], pause: float = 0.0) -> Piece:
    return Piece(b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n", pause)


def _event(payload: dict[str, Any], pause: float = 0.0) -> Piece:
    name = str(payload["type"]).encode()
    return Piece(b"event: " + name + b"\n" + _sse(payload).data, pause)
