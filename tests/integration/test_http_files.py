"""Bringing files by HTTP, on a real Redis."""

from __future__ import annotations

import re
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from tests.support.asking import error_of, send_file
from tests.support.web import services_of
from worker.contract import keys
from worker.contract.files import FileInfo

StartApp = Callable[..., Flask]
CSV = b"region;revenue\r\nnorth;1,5\r\nsouth;2\r\n"


def saved(browser: FlaskClient, name: str = "Q3 Sales (final).csv", raw: bytes = CSV) -> dict[str, Any]:
    response = send_file(browser, name, raw)
    assert response.status_code == 201, response.text
    info: dict[str, Any] = response.get_json()
    return info


def listed(browser: FlaskClient) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = browser.get("/api/files").get_json()["files"]
    return files


def user_of(browser: FlaskClient) -> str:
    return str(browser.get("/api/session").get_json()["user_id"])


def stored(app: Flask, browser: FlaskClient, info: dict[str, Any]) -> bytes:
    packed: Any = services_of(app).redis.get(keys.user_file(user_of(browser), info["file_id"]))
    return zlib.decompress(packed)


def test_an_uploaded_table_is_stored_as_canonical_csv(app: Flask, browser: FlaskClient) -> None:
    info = saved(browser)

    text = b'region,revenue\nnorth,"1,5"\nsouth,2\n'
    assert stored(app, browser, info) == text
    assert re.fullmatch("file_[0-9a-f]{16}", info.pop("file_id"))
    assert info.pop("created_at") > 1_700_000_000_000
    assert info == {
        "name": "Q3 Sales (final).csv",
        "kind": "table",
        "size": len(text),
        "table": "q3_sales_final",
        "columns": ["region", "revenue"],
        "rows": 2,
    }
    assert set(FileInfo.__struct_fields__) == {*info, "file_id", "created_at"}


def test_an_uploaded_document_is_stored_as_text(app: Flask, browser: FlaskClient) -> None:
    info = saved(browser, "notes.md", "# Größe".encode())

    assert stored(app, browser, info).decode() == "# Größe"
    assert (info["kind"], info["table"], info["columns"], info["rows"]) == ("document", "", [], 0)


def test_files_belong_to_their_user(browser: FlaskClient, stranger: FlaskClient) -> None:
    info = saved(browser)

    assert listed(browser) == [info]
    assert listed(stranger) == []
    error_of(stranger.delete(f"/api/files/{info['file_id']}"), 404)
    assert listed(browser) == [info]


def test_a_file_can_be_removed(app: Flask, browser: FlaskClient, redis_client: redis.Redis) -> None:
    info = saved(browser)
    kept = saved(browser, "other.csv")

    assert browser.delete(f"/api/files/{info['file_id']}").status_code == 204

    assert listed(browser) == [kept]
    assert not redis_client.exists(keys.user_file(user_of(browser), info["file_id"]))
    error_of(browser.delete(f"/api/files/{info['file_id']}"), 404)


def test_a_file_with_the_same_name_replaces_the_older_one(
    app: Flask, browser: FlaskClient, redis_client: redis.Redis
) -> None:
    old = saved(browser, "sales.csv", b"a\n1\n")
    new = saved(browser, "sales.csv", b"b\n2\n")

    assert listed(browser) == [new]
    assert (new["table"], new["columns"]) == (old["table"], ["b"])
    # A new id, since workers keep what they have read by id.
    assert new["file_id"] != old["file_id"]
    assert not redis_client.exists(keys.user_file(user_of(browser), old["file_id"]))


def test_tables_of_one_user_have_different_names(browser: FlaskClient) -> None:
    names = [saved(browser, name)["table"] for name in ("sales.csv", "Sales.tsv", "SALES!.csv")]

    assert names == ["sales", "sales_2", "sales_3"]


def test_uploads_at_once_take_different_names(app: Flask, browser: FlaskClient) -> None:
    browser.get("/api/session")
    cookie = browser.get_cookie("outloud_user")
    assert cookie is not None

    def upload(number: int) -> None:
        tab = app.test_client()
        tab.set_cookie("outloud_user", cookie.value)
        saved(tab, f"sales{'!' * number}.csv")

    tabs = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()

    assert len({info["table"] for info in listed(browser)}) == 8


@pytest.mark.parametrize("name", ["../../../etc/passwd.csv", "..\\..\\x.csv", "/etc/cron.d/x.csv", "a/b/c.csv"])
def test_a_path_in_a_name_is_harmless(browser: FlaskClient, name: str) -> None:
    shown = saved(browser, name)["name"]

    assert "/" not in shown
    assert "\\" not in shown
    assert ".." not in shown


@pytest.mark.parametrize(
    ("name", "raw", "status", "code"),
    [
        ("a.csv", b"", 422, "empty_file"),
        ("a.csv", b"a,b\n1,2,3\n", 422, "ragged_row"),
        ("a.csv", b"a\n\xff\xfe\x81\x8d\n", 422, "bad_encoding"),
        ("a.csv", b"a\n\0\n", 422, "not_text"),
        ("a.csv", b"a," * 1_000_000 + b"a\n", 422, "too_many_columns"),
        ("a.csv", b"a\n" + b"1\n" * 500_001, 422, "too_many_rows"),
        ("a.csv", b'a\n"never closed\n1\n', 422, "bad_csv"),
        ("a.pdf", b"%PDF-1.7", 415, "unsupported_type"),
        ("a.exe", b"MZ", 415, "unsupported_type"),
        ("a.txt", b"", 422, "empty_file"),
    ],
)
def test_a_bad_file_is_refused_and_nothing_is_kept(
    browser: FlaskClient, redis_client: redis.Redis, name: str, raw: bytes, status: int, code: str
) -> None:
    assert error_of(send_file(browser, name, raw), status)["code"] == code
    assert listed(browser) == []
    assert redis_client.keys("user:*") == []


def test_a_bad_file_leaves_the_older_one_in_place(browser: FlaskClient) -> None:
    info = saved(browser, "sales.csv")

    error_of(send_file(browser, "sales.csv", b"a\n1,2\n"), 422)

    assert listed(browser) == [info]


@pytest.mark.parametrize("extra", [1, 100_000, 3_000_000])
def test_a_file_over_the_limit_is_refused(start_app: StartApp, extra: int) -> None:
    browser = start_app(MAX_FILE_MB="0.1").test_client()

    error = error_of(send_file(browser, "a.txt", b"x" * (104_858 + extra)), 413)

    assert error["code"] == "file_too_large"
    assert error["detail"] == {"limit_bytes": 104_858}
    assert saved(browser, "a.txt", b"x" * 104_858)["size"] == 104_858


def test_a_table_that_is_over_the_limit_when_its_cells_are_filled_in_is_refused(start_app: StartApp) -> None:
    browser = start_app(MAX_FILE_MB="0.1").test_client()

    error = error_of(send_file(browser, "a.csv", b"a" + b"," * 99 + b"\n" + b"1\n" * 2000), 413)

    assert error["code"] == "file_too_large"
    assert "empty cells filled in" in error["message"]
    assert listed(browser) == []


def test_all_files_of_a_user_together_have_a_limit(start_app: StartApp) -> None:
    browser = start_app(MAX_USER_FILES_MB="0.01").test_client()
    saved(browser, "a.txt", b"x" * 6000)

    assert error_of(send_file(browser, "b.txt", b"x" * 6000), 413)["code"] == "storage_full"
    assert saved(browser, "a.txt", b"x" * 9000)["size"] == 9000


def test_a_request_that_is_no_upload_is_refused(browser: FlaskClient) -> None:
    assert error_of(browser.post("/api/files", json={"file": "x"}), 415)["code"] == "unsupported_type"
    assert error_of(browser.post("/api/files", data={"other": "x"}), 415)["code"] == "unsupported_type"
    form = {"content_type": "multipart/form-data"}
    assert error_of(browser.post("/api/files", data={"other": "x"}, **form), 422)["detail"] == {"field": "file"}


def test_files_expire_together_after_the_last_change(browser: FlaskClient, redis_client: redis.Redis) -> None:
    first = saved(browser, "a.csv")
    user_id = user_of(browser)
    names = [keys.user_files(user_id), keys.user_file(user_id, first["file_id"])]
    for name in names:
        redis_client.expire(name, 100)

    second = saved(browser, "b.csv")

    for name in (*names, keys.user_file(user_id, second["file_id"])):
        assert 29 * 86_400 < redis_client.ttl(name) <= 30 * 86_400


def test_memory_stays_flat_while_a_large_table_is_read(app: Flask, browser: FlaskClient) -> None:
    raw = b"a;b;c\n" + b"1234567;some words here;1,5\n" * 100_000
    tracemalloc.start()

    info = saved(browser, "large.csv", raw)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert info["rows"] == 100_000
    # The test's own multipart body is in memory as well, twice.
    assert peak < 3 * len(raw)
