"""Why the system cannot run on this machine; each message is one sentence that says what to do.

LocalError
  RedisServerMissing   no Redis server is installed
  RedisServerFailed    the server ended or did not answer
  DataDirectoryBusy    a Redis server still works on the data directory
  PortTaken            something else listens on PORT
  ReleaseFailed        the Procfile's release line found something wrong
  ProcessDied          a process ended although nobody asked it to, at the start or again and again
  NotReady             the processes run but `/readyz` stays unhappy
"""

from __future__ import annotations


class LocalError(Exception):
    """Base of everything that ends `python -m worker.local` with a message instead of a traceback."""


class RedisServerMissing(LocalError):
    """No Redis server was found: neither installed on the PATH nor embedded."""


class RedisServerFailed(LocalError):
    """The Redis server ended at start, or did not answer in time."""


class DataDirectoryBusy(LocalError):
    """The data directory belongs to a Redis server that still runs."""


class PortTaken(LocalError):
    """Another program listens on the port that the web process should use."""


class ReleaseFailed(LocalError):
    """The release phase found something that keeps the system from working."""


class ProcessDied(LocalError):
    """A process that belongs to the system ended although nobody asked it to."""


class NotReady(LocalError):
    """The web process did not report itself ready in time."""
