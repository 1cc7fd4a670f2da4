"""Backup and restore of a store: what is taken, what is refused, and that nothing is lost on the way."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support import runs
from worker.__main__ import main
from worker.backup import restore
from worker.backup_file import BackupError, Entry, Header, read, write
from worker.contract import keys


@pytest.fixture
def store(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A client that answers bytes, of the store that the commands use."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "threads.backup"


def contents(client: redis.Redis) -> dict[bytes, bytes]:
    found: Any = client.scan_iter()
    return {key: bytes(client.dump(key) or b"") for key in found}


def test_what_belongs_to_processes_is_not_taken(store: redis.Redis, file: Path) -> None:
    runs.accept(store)
    for name in ("workers", "catalogue", "reaper", "agent.default", "_kombu.binding.celery", "someone:elses"):
        store.set(name, "x")
    store.set(keys.tool_result(runs.RUN, "c1"), "large")

    assert main(["backup", str(file)]) == 0

    taken = {entry.key.decode() for entry in read(file)}
    assert taken == {keys.run(runs.RUN), keys.tool_result(runs.RUN, "c1"), keys.thread_queue(runs.THREAD)}


def test_a_restore_over_a_store_in_use_leaves_its_unfinished_runs_on_their_lists(
    store: redis.Redis, file: Path
) -> None:
    """Else nobody would look for them any more."""
    runs.accept(store, "run_old")
    assert main(["backup", str(file)]) == 0
    store.flushall()
    runs.accept(store, "run_new")

    assert main(["restore", str(file), "--replace"]) == 0

    listed = {b"run_old", b"run_new"}
    assert set(store.zrange(keys.RUNS_LIVE, 0, -1)) == listed
    assert set(store.zrange(keys.user_live(runs.USER), 0, -1)) == listed


def test_what_a_run_or_a_list_of_files_names_is_taken_though_it_came_while_the_keys_were_looked_through(
    store: redis.Redis, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.accept(store)
    store.hset(keys.user_files(runs.USER), "file_0", "{}")
    look, result, content = redis.Redis.scan_iter, keys.tool_result(runs.RUN, "c1"), keys.user_file(runs.USER, "file_1")

    def look_slowly(client: redis.Redis, *args: Any, **options: Any) -> Iterator[bytes]:
        """A worker writes a step with a large result, and a file, when a part of the keys has been named."""
        named: Any = list(look(client, *args, **options))
        if not store.exists(result):
            store.set(result, "large")
            store.hset(keys.journal(runs.RUN), "c1", "stored")
            store.set(content, "x")
            store.hset(keys.user_files(runs.USER), "file_1", "{}")
        yield from named

    monkeypatch.setattr(redis.Redis, "scan_iter", look_slowly)
    assert main(["backup", str(file)]) == 0

    taken = {entry.key.decode() for entry in read(file)}
    assert {keys.journal(runs.RUN), result, keys.user_files(runs.USER), content} <= taken


def test_life_times_go_on_where_they_were(store: redis.Redis, file: Path) -> None:
    store.set("user:{u}:file:1", "x", px=500_000)
    store.set("user:{u}:file:2", "x")
    main(["backup", str(file)])
    store.flushall()

    assert main(["restore", str(file)]) == 0

    assert 400_000 < int(store.pttl("user:{u}:file:1")) <= 500_000
    assert store.pttl("user:{u}:file:2") == -1


def test_a_run_that_is_on_no_list_of_the_backup_is_found_by_the_reaper(store: redis.Redis, file: Path) -> None:
    # As when a run begins, or ends, while the keys are copied one after another.
    runs.accept(store)
    store.zrem(keys.RUNS_LIVE, runs.RUN)
    runs.change(store, queued_at=1)
    main(["backup", str(file)])
    store.flushall()

    assert main(["restore", str(file)]) == 0

    assert runs.listed(store) == [runs.RUN]
    assert runs.read(store).queued_at > 1


def test_nothing_is_overwritten_unless_that_is_asked_for(
    store: redis.Redis, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.accept(store)
    main(["backup", str(file)])
    before = contents(store)
    runs.change(store, message="another")
    changed = contents(store)

    assert main(["restore", str(file)]) == 1
    assert contents(store) == changed
    assert "are in this store already" in capsys.readouterr().err

    assert main(["restore", str(file), "--replace"]) == 0
    assert runs.read(store).message == "hi"
    assert contents(store).keys() == before.keys()


@pytest.mark.parametrize("left", [0.0, 0.3, 0.9, 0.999])
def test_a_torn_file_is_refused_in_words_and_nothing_of_it_is_used(
    store: redis.Redis, file: Path, capsys: pytest.CaptureFixture[str], left: float
) -> None:
    for number in range(200):
        store.set(f"user:{{u}}:file:{number}", os.urandom(500))
    main(["backup", str(file)])
    store.flushall()
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * left)])

    assert main(["restore", str(file)]) == 1

    said = capsys.readouterr().err
    assert "is torn" in said or "is not a backup of outloud" in said
    assert store.dbsize() == 0


def test_a_changed_file_is_refused(store: redis.Redis, file: Path) -> None:
    for number in range(200):
        store.set(f"user:{{u}}:file:{number}", os.urandom(500))
    main(["backup", str(file)])
    store.flushall()
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)

    assert main(["restore", str(file)]) == 1
    assert store.dbsize() == 0


def test_a_file_without_its_last_entries_is_torn_even_if_it_ends_well(file: Path) -> None:
    write(file, Header(at=1, server="x"), [Entry(b"a", 0, b"1"), Entry(b"b", 0, b"2")])
    frames = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(frames[: frames.rindex(b"trailer") - 6]))

    with pytest.raises(BackupError, match="is torn"):
        list(read(file))


@pytest.mark.parametrize(
    ("header", "words"),
    [(Header(version=2, at=1, server="x"), "this program knows 1"), (Header(format="zip", at=1, server="x"), "not a")],
)
def test_a_file_of_another_kind_is_refused(file: Path, header: Header, words: str) -> None:
    write(file, header, [])

    with pytest.raises(BackupError, match=words):
        list(read(file))


def test_what_another_kind_of_server_has_written_is_refused_in_words(
    store: redis.Redis, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(file, Header(at=1, server="redis 99"), [Entry(b"user:{u}:files", 0, b"\x00\x01x\xff\x7f12345678")])

    assert main(["restore", str(file)]) == 1
    assert "cannot use what redis 99 has written" in capsys.readouterr().err


def test_a_backup_is_for_its_owner_only_and_takes_no_others_place(
    store: redis.Redis, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]

    assert main(["backup", str(file)]) == 1
    assert "exists" in capsys.readouterr().err


def test_a_store_that_cannot_be_reached_leaves_no_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    assert main(["backup", str(file)]) == 1
    assert capsys.readouterr().err
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    "key", [b"catalogue", b"agent.default", b"someone:elses", b"user:{\xff}:files", b"{run_1}:else"]
)
@pytest.mark.parametrize("options", [[], ["--replace"]])
def test_a_key_that_no_backup_takes_is_refused_before_anything_is_written(
    store: redis.Redis, file: Path, key: bytes, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    store.set("user:{u}:file:1", "x")
    dump = bytes(store.dump("user:{u}:file:1") or b"")
    store.flushall()
    write(file, Header(at=1, server="x"), [Entry(b"user:{u}:file:1", 0, dump), Entry(key, 0, dump)])

    assert main(["restore", *options, str(file)]) != 0

    assert "is broken" in "".join(capsys.readouterr())
    assert contents(store) == {}


@pytest.mark.parametrize(
    "fields", [{"state": "running"}, {"state": "running", "created_at": "x", "user_id": "u"}, None]
)
def test_a_record_without_its_fields_is_refused_before_anything_is_written(
    store: redis.Redis, file: Path, fields: dict[Any, Any] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    store.set("user:{u}:file:1", "x")
    other = bytes(store.dump("user:{u}:file:1") or b"")
    if fields:
        store.hset("record", mapping=fields)
    dump = bytes(store.dump("record") or b"") or other
    store.flushall()
    key = keys.run(runs.RUN).encode()
    write(file, Header(at=1, server="x"), [Entry(b"user:{u}:file:1", 0, other), Entry(key, 0, dump)])

    assert main(["restore", "--replace", str(file)]) != 0

    assert "is broken" in "".join(capsys.readouterr())
    assert contents(store) == {}


def test_looking_through_a_file_keeps_no_dumps(store: redis.Redis, file: Path) -> None:
    size = 2_000_000
    content = (Entry(f"user:{{u}}:file:{at}".encode(), 0, bytes(size)) for at in range(40))
    write(file, Header(at=1, server="x"), content)
    store.set("user:{u}:file:1", "x")

    tracemalloc.start()
    try:
        with pytest.raises(BackupError, match="in this store already"):
            restore(store, file)
        assert tracemalloc.get_traced_memory()[1] < 8 * size
    finally:
        tracemalloc.stop()


def test_what_lies_where_a_file_is_written_is_not_followed_and_its_mode_not_kept(tmp_path: Path) -> None:
    file, other, part = tmp_path / "a.backup", tmp_path / "other", tmp_path / "a.backup.part"
    other.write_text("mine")
    part.symlink_to(other)
    write(file, Header(at=1, server="x"), [])

    assert other.read_text() == "mine"
    assert not file.is_symlink()
    file.unlink()
    part.write_text("left")
    part.chmod(0o666)
    write(file, Header(at=1, server="x"), [])
    assert file.stat().st_mode & 0o777 == 0o600
