"""Copies what tells of people's work out of a Redis, and back into one: `python -m worker backup` and `restore`.

Meant for a whole server without its own tools, and for moving to another one. What tells of processes (workers,
figures, the catalogue, messages) is not taken: new processes write it anew.
Memory stays small: a few keys at a time, whatever the size of the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from worker.backup_file import BackupError, Entry, Header, read, read_header, write
from worker.contract import keys, scripts
from worker.contract.run import FINISHED_STATES

#: Keys, or runs, of one round trip.
_BATCH = 10
_PAGE = 500
_UNCHANGED = "Nothing was changed"
_CONNECT_SECONDS = 5.0
#: The server copies a value of hundreds of MB.
_COMMAND_SECONDS = 60.0

T = TypeVar("T")


class Restored(NamedTuple):
    entries: int
    #: Runs that go on, or get an end, when processes start.
    unfinished: int


class _Unfinished(NamedTuple):
    run_id: str
    created_at: int
    user_id: str


def connect(url: str) -> Redis:
    """Make a client for long copies; nothing is tried again by itself."""
    return Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_COMMAND_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def backup(client: Redis, path: Path) -> int:
    """Write the store to a new file; returns the count of keys. Processes may run meanwhile.

    Raises:
        BackupError: The file cannot be written.
        redis.exceptions.RedisError: The store cannot be read.
    """
    info: Any = client.info("server")
    server = f"{info.get('server_name', 'redis')} {info.get('valkey_version') or info['redis_version']}"
    return write(path, Header(at=time.time_ns() // 1_000_000, server=server), _entries(client))


def restore(client: Redis, path: Path, *, replace: bool = False) -> Restored:
    """Bring a file's keys into a store. The whole file is looked through before the first one.

    Raises:
        BackupError: The file is no whole backup, a key is there already (without `replace`), or the server cannot use
            what another one has written.
        redis.exceptions.RedisError: The store went away in the middle; another time with `replace` does the rest.
    """
    header = read_header(path)
    _look_through(client, path, replace=replace)
    done = 0
    unfinished: list[_Unfinished] = []
    for batch in _batches(read(path), _BATCH):
        _put(client, batch, header)
        done += len(batch)
        unfinished += _unfinished(client, batch)
    # When all is there: a reaper may look at once.
    for run in unfinished:
        _list(client, run)
    return Restored(done, len(unfinished))


def _entries(client: Redis) -> Iterator[Entry]:
    """Each group of keys as it is at one moment: a run's record, log and journal fit together."""
    for batch in _batches(_groups(client), _BATCH):
        names = [name for group in batch for name in group]
        with client.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.pttl(name)
                pipe.dump(name)
            answers = pipe.execute()
        for name, ttl_ms, dump in zip(names, answers[::2], answers[1::2], strict=True):
            if dump is not None:
                yield Entry(name.encode(), max(0, ttl_ms), dump)


def _groups(client: Redis) -> Iterator[list[str]]:
    """Runs first, then the lists that name them, then what both name: a look at the keys misses those that come later,
    so that of anything taken before it all that it names is found.
    """
    for key in _names(client):
        if (run_id := keys.run_of(key)) is not None:
            yield keys.whole_run(run_id)
    for is_content in (False, True):
        yield from ([key] for key in _names(client) if keys.is_lasting(key) and keys.is_content(key) is is_content)


def _names(client: Redis) -> Iterator[str]:
    return (raw.decode(errors="replace") for raw in client.scan_iter(count=_PAGE))


def _look_through(client: Redis, path: Path, *, replace: bool) -> None:
    """Write nothing yet, and keep of the entries no more than their keys: dumps are large."""
    taken: list[str] = []
    for batch in _batches(_checked_keys(client, path), _PAGE):
        if replace:
            continue
        with client.pipeline(transaction=False) as pipe:
            for key in batch:
                pipe.exists(key)
            found = pipe.execute()
        taken += [key for key, is_there in zip(batch, found, strict=True) if is_there]
    if taken:
        raise BackupError(
            f"{len(taken)} keys of {path} are in this store already, such as {taken[0]}. Nothing was changed. "
            "Take an empty database, or --replace to overwrite them"
        )


def _checked_keys(client: Redis, path: Path) -> Iterator[str]:
    header = read_header(path)
    for entry in read(path):
        key = entry.key.decode(errors="replace")
        # What replaced a broken letter would be no letter of the key.
        if not keys.is_in_backup(key) or key.encode() != entry.key:
            raise BackupError(f"{path} is broken: it has the key {key[:80]!r}, which no backup takes. {_UNCHANGED}")
        if keys.run_of(key) is not None and not _is_record(client, entry, header):
            raise BackupError(f"{path} is broken: {key} is not the record of a run. {_UNCHANGED}")
        yield key


def _is_record(client: Redis, entry: Entry, header: Header) -> bool:
    """Only a server can read a dump: it does so under another name, which is gone at the end of the transaction."""
    with client.pipeline(transaction=True) as pipe:
        pipe.restore(keys.RESTORE_RECORD, 0, entry.dump, replace=True)
        pipe.hmget(keys.RESTORE_RECORD, "state", "created_at", "user_id")
        pipe.delete(keys.RESTORE_RECORD)
        written, fields, _ = pipe.execute(raise_on_error=False)
    if isinstance(written, ResponseError):
        if "DUMP payload" not in str(written):
            raise written
        raise _unusable(header)
    if isinstance(fields, ResponseError) or None in fields:
        return False
    state, created_at, user_id = fields
    try:
        return bool(state.decode()) and bool(user_id.decode()) and int(created_at) >= 0
    except ValueError:
        return False


def _unusable(header: Header) -> BackupError:
    words = f"This server cannot use what {header.server} has written; take that version or a newer one of it"
    return BackupError(words)


def _put(client: Redis, batch: Iterable[Entry], header: Header) -> None:
    with client.pipeline(transaction=False) as pipe:
        for entry in batch:
            # Replacing: a server lists a key twice now and then while it is copied.
            pipe.restore(entry.key, entry.ttl_ms, entry.dump, replace=True)
        try:
            pipe.execute()
        except ResponseError as error:
            if "DUMP payload" not in str(error):
                raise
            raise _unusable(header) from error


def _unfinished(client: Redis, batch: Iterable[Entry]) -> list[_Unfinished]:
    runs = [run_id for entry in batch if (run_id := keys.run_of(entry.key.decode())) is not None]
    with client.pipeline(transaction=False) as pipe:
        for run_id in runs:
            pipe.hmget(keys.run(run_id), "state", "created_at", "user_id")
        rows = pipe.execute()
    return [
        _Unfinished(run_id, int(created_at), user_id.decode())
        for run_id, (state, created_at, user_id) in zip(runs, rows, strict=True)
        if state is not None and state.decode() not in FINISHED_STATES
    ]


def _list(client: Redis, run: _Unfinished) -> None:
    """Let the reaper find a run; its wait for a worker begins now."""
    client.zadd(keys.RUNS_LIVE, {run.run_id: run.created_at})
    client.zadd(keys.user_live(run.user_id), {run.run_id: run.created_at})
    touch = scripts.touch(run.run_id, "queued_at")
    client.eval(touch.script.source, len(touch.keys), *touch.keys, *touch.args)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
