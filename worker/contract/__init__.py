"""What crosses a process boundary: the only part of `worker` that `web` may import.

Reading order: `run` (states), `events` (facts of a run), `codec` (event to bytes and back), `cursor`, `keys` (the
Redis data model), `scripts` (the atomic steps on it), `commands` (what the web asks of a worker), `catalogue`,
`files`, `errors`.

Imports msgspec and the standard library, nothing else: no Celery, Flask, Redis client or model SDK.
"""
