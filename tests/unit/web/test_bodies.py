from __future__ import annotations

import msgspec
import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from web.errors import MalformedRequest, TooLarge, Unprocessable, UnsupportedType
from web.http.bodies import read_json


class Order(msgspec.Struct, forbid_unknown_fields=True):
    dish: str
    count: int = 1


def read(body: bytes | str, *, content_type: str = "application/json", max_bytes: int = 1000) -> Order:
    raw = body if isinstance(body, bytes) else body.encode()
    environ = EnvironBuilder(method="POST", data=raw, content_type=content_type).get_environ()
    return read_json(Request(environ), Order, max_bytes=max_bytes)


def test_a_right_body_is_read() -> None:
    assert read('{"dish": "soup"}') == Order("soup")
    assert read('{"dish": "soup"}', content_type="application/json; charset=utf-8") == Order("soup")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"dish": 5}', "dish"),
        ('{"dish": null}', "dish"),
        ('{"count": 2}', "dish"),
        ('{"dish": "soup", "count": "2"}', "count"),
        ('{"dish": "soup", "salt": true}', "salt"),
    ],
    ids=["wrong type", "null", "missing", "number as text", "unknown"],
)
def test_a_wrong_field_is_named(body: str, field: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        read(body)

    assert caught.value.code == "invalid_request"
    assert caught.value.detail == {"field": field}
    assert field in caught.value.message


@pytest.mark.parametrize("body", ["", "{", "{'dish': 1}", b'{"dish": "\xff"}', '{"dish": "\\ud800"}', "[" * 100_000])
def test_what_is_not_json_is_refused(body: bytes | str) -> None:
    with pytest.raises((MalformedRequest, Unprocessable)) as caught:
        read(body, max_bytes=1_000_000)

    assert caught.value.code in ("malformed_json", "invalid_request")


def test_a_list_is_not_an_object() -> None:
    with pytest.raises(Unprocessable):
        read("[]")


def test_a_form_is_not_json() -> None:
    with pytest.raises(UnsupportedType):
        read("dish=soup", content_type="application/x-www-form-urlencoded")


@pytest.mark.parametrize("size", [1001, 2000])
def test_no_more_than_the_limit_is_read_and_the_limit_is_named(size: int) -> None:
    with pytest.raises(TooLarge, match="1,000 bytes") as caught:
        read("x" * size)

    assert caught.value.detail == {"limit_bytes": 1000}
