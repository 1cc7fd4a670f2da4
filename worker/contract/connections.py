"""How a process divides the connections to Redis that it may hold among those in it who need them.

A small Redis plan allows 20 to 50 connections in all, and one refused connection is a message that is not accepted, so
every pool is bounded, and the bounds add up. A command holds a connection for well under a millisecond: with few, one
waits its turn.
"""

from __future__ import annotations

from typing import NamedTuple

DEFAULT = 30
#: Below it somebody would have none.
LEAST = 10

#: The relay's subscriber.
_BUS = 1
#: What tells the webhook, and empties its list without one.
COURIER = 1
#: The relay's audit, probe and acks, beside its reads; each needs one now and then, and waits its turn.
RELAY_SPARE = 2
#: Connections to Redis behind one that Celery has for sending.
DOORBELL_COST = 2
#: Celery's in a worker, as measured: it waits for messages on one, and acknowledges and sends on others. The one part
#: that is no bound: kombu raises where its pool is empty, so `worker.app` leaves room for all acknowledgements at once.
_CELERY = 4
#: The worker's subscriber for stops.
_CONTROL = 1
#: More do not make a worker faster: its one event loop is the limit.
_MOST_OF_WORKER = 16


class WebShare(NamedTuple):
    """Upper bounds in a web process."""

    #: The request handlers' and the reaper's.
    store: int
    #: The relay's reads of history at one time.
    reads: int
    #: Celery's, for sending; each stands for `DOORBELL_COST`.
    doorbell: int


def web_share(total: int) -> WebShare:
    """Divide what one web process may hold."""
    reads = min(8, max(2, total // 4))
    doorbell = min(10, total // 10)
    return WebShare(total - _BUS - COURIER - RELAY_SPARE - reads - DOORBELL_COST * doorbell, reads, doorbell)


def worker_share(total: int) -> int:
    """How many of a worker's connections are for scripts and reads; the others are Celery's and the files'."""
    return min(_MOST_OF_WORKER, total - _CELERY - _CONTROL - files_share(total))


def files_share(total: int) -> int:
    """How many of a worker's connections are for users' files, which tools read and write in OS threads."""
    return min(8, max(2, total // 8))
