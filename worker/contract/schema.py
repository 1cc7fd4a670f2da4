"""Writes the JSON Schema of the events, for readers in other languages: `python -m worker.contract.schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from worker.contract.codec import MAX_EVENT_BYTES
from worker.contract.events import CONTRACT_VERSION, Event

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "events.schema.json"


def schema_text() -> str:
    """Give the schema as it should be in `SCHEMA_FILE`."""
    return json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n"


def _schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event of a run",
        "description": (
            f"Contract version {CONTRACT_VERSION}. One event is at most {MAX_EVENT_BYTES} bytes of JSON. "
            "Readers should pass over types and fields that they do not know: a newer writer may have more."
        ),
        **msgspec.json.schema(Event),
    }


if __name__ == "__main__":
    SCHEMA_FILE.parent.mkdir(exist_ok=True)
    SCHEMA_FILE.write_text(schema_text())
