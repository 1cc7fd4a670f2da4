"""A user's workspace on a real Redis and real SQLite files."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.uploads import RETENTION_SECONDS, remove_upload, upload
from worker.contract import keys
from worker.workspace.errors import BadInput, LimitReached, StoreUnavailable
from worker.workspace.limits import WorkspaceLimits
from worker.workspaces import UserWorkspace, Workspaces

USER = "usr_1"
SALES = "region,month,revenue\nNorth,2024-01,100\nNorth,2024-02,80\nSouth,2024-01,50\nSouth,2024-02,\n"


@pytest.fixture
def workspaces(tmp_path: Path, redis_url: str) -> Iterator[Workspaces]:
    opened = Workspaces(tmp_path, redis_url=redis_url)
    yield opened
    opened.close()


@pytest.fixture
def workspace(workspaces: Workspaces) -> UserWorkspace:
    return workspaces.workspace(USER)


def count(workspace: UserWorkspace, table: str) -> int:
    found: int = workspace.query(f"SELECT count(*) FROM {table}", max_rows=1, seconds=5).rows[0][0]
    return found


def cache_files(directory: Path) -> list[Path]:
    return list((directory / "workspaces").glob("*.sqlite"))


def test_an_uploaded_table_can_be_queried_with_typed_columns(
    workspace: UserWorkspace, redis_client: redis.Redis
) -> None:
    upload(redis_client, USER, "Q1 Sales.csv", SALES)
    assert workspace.tables() == [
        {
            "name": "q1_sales",
            "columns": [
                {"name": "region", "type": "text"},
                {"name": "month", "type": "date"},
                {"name": "revenue", "type": "integer"},
            ],
            "rows": 4,
            "file": "Q1 Sales.csv",
        }
    ]
    result = workspace.query("SELECT region, sum(revenue) AS total FROM q1_sales GROUP BY 1", max_rows=10, seconds=5)
    assert result == (["region", "total"], [["North", 180], ["South", 50]], False)
    nulls = workspace.query("SELECT count(*) FROM q1_sales WHERE revenue IS NULL", max_rows=1, seconds=5)
    assert nulls.rows == [[1]]


def test_a_removed_file_takes_its_table_along(workspace: UserWorkspace, redis_client: redis.Redis) -> None:
    kept = upload(redis_client, USER, "kept.csv", SALES)
    gone = upload(redis_client, USER, "gone.csv", SALES)
    assert [table["name"] for table in workspace.tables()] == ["kept", "gone"]
    remove_upload(redis_client, USER, gone.file_id)
    assert [table["name"] for table in workspace.tables()] == ["kept"]
    remove_upload(redis_client, USER, kept.file_id)
    assert workspace.tables() == []


def test_two_files_of_one_name_get_a_table_each(workspace: UserWorkspace, redis_client: redis.Redis) -> None:
    first = upload(redis_client, USER, "sales.csv", "a\n1\n")
    upload(redis_client, USER, "sales.csv", "a\n1\n2\n")
    assert {table["name"]: table["rows"] for table in workspace.tables()} == {"sales": 1, "sales_2": 2}
    remove_upload(redis_client, USER, first.file_id)
    assert {table["name"]: table["rows"] for table in workspace.tables()} == {"sales": 2}


def test_users_do_not_see_each_other(workspaces: Workspaces, redis_client: redis.Redis) -> None:
    upload(redis_client, "usr_1", "mine.csv", SALES)
    upload(redis_client, "../usr_1", "yours.csv", SALES)
    assert [table["name"] for table in workspaces.workspace("usr_1").tables()] == ["mine"]
    assert [table["name"] for table in workspaces.workspace("../usr_1").tables()] == ["yours"]


def test_a_user_id_is_never_a_path(workspaces: Workspaces, redis_client: redis.Redis, tmp_path: Path) -> None:
    user = "../../etc/passwd\0/x"
    upload(redis_client, user, "mine.csv", SALES)
    assert len(workspaces.workspace(user).tables()) == 1
    inside = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parent for path in inside} == {tmp_path / "workspaces"}
    assert not any("etc" in path.name or "passwd" in path.name for path in inside)


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm"), ("-wal", "-shm")])
def test_deleting_the_cache_is_harmless(
    workspace: UserWorkspace, redis_client: redis.Redis, tmp_path: Path, suffixes: tuple[str, ...]
) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    assert count(workspace, "sales") == 4
    [main] = cache_files(tmp_path)
    for suffix in suffixes:
        Path(f"{main}{suffix}").unlink(missing_ok=True)
    assert count(workspace, "sales") == 4


def test_a_log_left_by_a_deleted_cache_is_not_played_into_the_new_one(
    workspace: UserWorkspace, redis_client: redis.Redis, tmp_path: Path
) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    workspace.tables()
    [main] = cache_files(tmp_path)
    with workspace._cache.reading():
        # A killed process leaves its write-ahead log behind.
        Path(f"{main}-wal").write_bytes(os.urandom(50_000))
        main.unlink()
    assert count(workspace, "sales") == 4


def test_a_damaged_cache_is_made_anew(workspace: UserWorkspace, redis_client: redis.Redis, tmp_path: Path) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    assert count(workspace, "sales") == 4
    [main] = cache_files(tmp_path)
    main.write_bytes(b"this is not a database, whatever its name says" * 100)
    assert count(workspace, "sales") == 4
    content = bytearray(main.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    main.write_bytes(content)
    assert count(workspace, "sales") == 4


def test_many_os_threads_build_and_read_one_cache(workspaces: Workspaces, redis_client: redis.Redis) -> None:
    barrier = threading.Barrier(8)

    def work(number: int) -> int:
        barrier.wait()
        for turn in range(5):
            upload(redis_client, USER, f"t{number}_{turn}.csv", SALES)
            assert count(workspaces.workspace(USER), f"t{number}_{turn}") == 4
        return len(workspaces.workspace(USER).tables())

    with ThreadPoolExecutor(8) as executor:
        counts = list(executor.map(work, range(8)))
    assert max(counts) == len(workspaces.workspace(USER).tables()) == 40


def _count_in_a_process(directory: str, redis_url: str) -> int:
    opened = Workspaces(Path(directory), redis_url=redis_url)
    try:
        return count(opened.workspace(USER), "sales")
    finally:
        opened.close()


def test_several_processes_build_one_cache(redis_client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    rows = "".join(f"North,2024-01,{number}\n" for number in range(20_000))
    upload(redis_client, USER, "sales.csv", f"region,month,revenue\n{rows}")
    # Spawned, as the processes of a platform are: a fork would share file locks.
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        jobs = [pool.apply_async(_count_in_a_process, (str(tmp_path), redis_url)) for _ in range(6)]
        assert [job.get(60) for job in jobs] == [20_000] * 6


def test_an_added_table_replaces_the_one_of_its_name_and_expires_like_an_upload(
    workspace: UserWorkspace, redis_client: redis.Redis
) -> None:
    workspace.add_table("Growth rates", ["region", "rate"], [["North", 0.5], ["South", None]])
    described = workspace.add_table("Growth rates", ["region", "rate", "ok"], [["North, far", 0.25, True]])
    assert described["name"] == "growth_rates"
    assert workspace.query("SELECT * FROM growth_rates", max_rows=5, seconds=5).rows == [["North, far", 0.25, "true"]]
    assert redis_client.hlen(keys.user_files(USER)) == 1
    [file_id] = redis_client.hkeys(keys.user_files(USER))
    for key in (keys.user_files(USER), keys.user_file(USER, str(file_id))):
        assert 0 < redis_client.ttl(key) <= WorkspaceLimits().retention_seconds


def test_all_files_age_together_from_the_last_change(workspace: UserWorkspace, redis_client: redis.Redis) -> None:
    old = upload(redis_client, USER, "sales.csv", SALES)
    workspace.add_document("notes.txt", "new")
    assert redis_client.ttl(keys.user_file(USER, old.file_id)) > RETENTION_SECONDS


def test_a_table_that_does_not_fit_is_refused(workspace: UserWorkspace) -> None:
    with pytest.raises(BadInput, match="Row 2 has 1 values for 2 columns"):
        workspace.add_table("x", ["a", "b"], [[1, 2], [3]])
    with pytest.raises(BadInput, match="at least one column"):
        workspace.add_table("x", [], [])
    with pytest.raises(BadInput, match="at least one letter"):
        workspace.add_table("../", ["a"], [])


def test_limits_of_size_and_number_are_named(tmp_path: Path, redis_url: str) -> None:
    limits = WorkspaceLimits(max_file_bytes=100, max_files=2, max_user_bytes=150)
    opened = Workspaces(tmp_path, redis_url=redis_url, limits=limits)
    workspace = opened.workspace(USER)
    with pytest.raises(LimitReached, match="the limit is 100"):
        workspace.add_document("long.txt", "x" * 101)
    workspace.add_document("a.txt", "a")
    workspace.add_document("b.txt", "b")
    workspace.add_document("b.txt", "b again")
    workspace.add_document("a.txt", "x" * 60)
    with pytest.raises(LimitReached, match="the limit is 150"):
        workspace.add_document("b.txt", "x" * 100)
    with pytest.raises(LimitReached, match="the limit is 2"):
        workspace.add_document("c.txt", "c")
    opened.close()


def test_a_file_that_cannot_be_used_does_not_hide_the_others(
    workspace: UserWorkspace, redis_client: redis.Redis
) -> None:
    wide = ",".join(f"c{number}" for number in range(3000))
    upload(redis_client, USER, "wide.csv", f"{wide}\n")
    upload(redis_client, USER, "sales.csv", SALES)
    tables = {table["name"]: table for table in workspace.tables()}
    assert tables["sales"]["rows"] == 4
    assert "3,000 columns" in tables["wide"]["problem"]


def test_a_table_that_is_larger_than_the_limit_is_a_problem_and_never_shown_in_part(
    redis_client: redis.Redis, tmp_path: Path, redis_url: str
) -> None:
    with contextlib.closing(Workspaces(tmp_path, redis_url=redis_url, limits=WorkspaceLimits(max_file_bytes=100))) as w:
        upload(redis_client, USER, "exact.csv", "a\n" + "1\n" * 49)
        upload(redis_client, USER, "large.csv", "a\n" + "1\n" * 50)
        tables = {table["name"]: table for table in w.workspace(USER).tables()}
        assert tables["exact"]["rows"] == 49
        assert "larger than the limit of 100 bytes" in tables["large"]["problem"]
        assert tables["large"].get("rows", 0) == 0


@pytest.mark.parametrize("damage", [slice(0, -5), slice(5, None)], ids=["cut", "not zlib"])
def test_stored_bytes_that_are_damaged_are_a_problem(
    workspace: UserWorkspace, redis_client: redis.Redis, redis_url: str, damage: slice
) -> None:
    info = upload(redis_client, USER, "sales.csv", SALES)
    key = keys.user_file(USER, info.file_id)
    with redis.Redis.from_url(redis_url) as raw:
        packed: Any = raw.get(key)
        raw.set(key, packed[damage])
    [table] = workspace.tables()
    assert "upload it again" in table["problem"]


def test_awkward_column_and_table_names_work(workspace: UserWorkspace, redis_client: redis.Redis) -> None:
    upload(redis_client, USER, "sqlite_master.csv", 'Total,total,"a ""b""",\n1,2,3,4\n')
    [table] = workspace.tables()
    assert table["name"] == "t_sqlite_master"
    assert [column["name"] for column in table["columns"]] == ["Total", "total_2", 'a "b"', "column_4"]
    assert workspace.query('SELECT "a ""b""" FROM t_sqlite_master', max_rows=1, seconds=5).rows == [[3]]


def test_expired_bytes_leave_no_ghost(workspace: UserWorkspace, redis_client: redis.Redis) -> None:
    info = upload(redis_client, USER, "sales.csv", SALES)
    redis_client.delete(keys.user_file(USER, info.file_id))
    assert workspace.tables() == []


def test_documents_are_found_best_first_with_the_words_in_bold(workspace: UserWorkspace) -> None:
    workspace.add_document("refunds.md", "# Refunds\n\nRefunds are paid within fourteen days of the return.")
    workspace.add_document("shipping.md", "Parcels leave every day at noon. A refund is not a parcel.")
    workspace.add_document("other.md", "Nothing of interest.")
    found = workspace.search("When are refunds paid?", limit=5)
    assert [hit["name"] for hit in found] == ["refunds.md", "shipping.md"]
    assert "**Refunds**" in found[0]["snippet"]
    assert found[0]["score"] > found[1]["score"]


def test_a_document_is_replaced_and_removed_by_name(workspace: UserWorkspace) -> None:
    workspace.add_document("folder/notes.txt", "zebra")
    workspace.add_document("notes.txt", "giraffe")
    assert [document["name"] for document in workspace.documents()] == ["notes.txt"]
    assert workspace.search("zebra", limit=5) == []
    assert workspace.remove_document("notes.txt")
    assert not workspace.remove_document("notes.txt")
    assert workspace.search("giraffe", limit=5) == []


@pytest.mark.parametrize("query", ['"', "a AND", "NEAR(x y", "name:secret", "-giraffe", "(((a", "x OR OR", "*a*", "^a"])
def test_a_search_never_fails_on_its_syntax(workspace: UserWorkspace, query: str) -> None:
    workspace.add_document("notes.txt", "giraffe")
    with contextlib.suppress(BadInput):
        workspace.search(query, limit=5)


def test_redis_away_is_a_clear_error(tmp_path: Path) -> None:
    opened = Workspaces(tmp_path, redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        opened.workspace(USER).tables()
    opened.close()


def test_unused_caches_are_pruned(workspaces: Workspaces, redis_client: redis.Redis, tmp_path: Path) -> None:
    upload(redis_client, USER, "sales.csv", SALES)
    upload(redis_client, "usr_2", "sales.csv", SALES)
    for user in (USER, "usr_2"):
        workspaces.workspace(user).tables()
    os.utime(cache_files(tmp_path)[0], (0, 0))
    assert workspaces.prune() == 1
    assert count(workspaces.workspace(USER), "sales") == count(workspaces.workspace("usr_2"), "sales") == 4
