from __future__ import annotations

import json

from worker.contract.events import EVENT_TYPES
from worker.contract.schema import SCHEMA_FILE, schema_text


def test_the_stored_schema_is_that_of_the_events() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "run `python -m worker.contract.schema`"


def test_the_schema_has_every_type_and_what_every_event_carries() -> None:
    schema = json.loads(schema_text())

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["discriminator"]["mapping"]) == set(EVENT_TYPES)
    for reference in schema["discriminator"]["mapping"].values():
        definition = schema["$defs"][reference.rsplit("/", 1)[1]]
        assert {"type", "run_id", "thread_id", "attempt", "agent_call_id", "at", "data"} <= set(definition["required"])
