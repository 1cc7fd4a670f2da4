"""The operators' password: where it counts, and what guessing gets."""

from __future__ import annotations

import base64

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from web.errors import LimitReached
from web.identity.operators import OperatorPassword
from web.identity.user import User
from worker.contract.environment import Secret

PASSWORD = "correct horse battery"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def password(clock: Clock) -> OperatorPassword:
    return OperatorPassword(Secret(PASSWORD), clock=clock)


def request(
    given: str | None = PASSWORD, *, name: str = "anna", path: str = "/ops", peer: str = "198.51.100.7"
) -> Request:
    headers = []
    if given is not None:
        headers.append(("Authorization", "Basic " + base64.b64encode(f"{name}:{given}".encode()).decode()))
    return Request(EnvironBuilder(path=path, headers=headers, environ_base={"REMOTE_ADDR": peer}).get_environ())


def test_whoever_knows_the_password_is_an_operator(password: OperatorPassword) -> None:
    stranger = password.find_operator(request(), None)
    known = password.find_operator(request(), User("usr_1", anonymous=True))

    assert stranger is not None
    assert known is not None
    assert (stranger.is_operator, stranger.name) == (True, "anna")
    assert (known.is_operator, known.user_id, known.name) == (True, "usr_1", "anna")


@pytest.mark.parametrize("given", ["", "wrong", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper(), "ü", None])
def test_any_other_is_refused(password: OperatorPassword, given: str | None) -> None:
    assert password.find_operator(request(given), None) is None


@pytest.mark.parametrize("path", ["/", "/api/runs", "/opsy", "/api/opsy", "/t/ops"])
def test_it_counts_on_the_operators_pages_only(password: OperatorPassword, path: str) -> None:
    assert password.find_operator(request(path=path), None) is None


@pytest.mark.parametrize("path", ["/ops", "/ops/runs", "/api/ops", "/api/ops/runs/run_1/cancel"])
def test_all_of_the_operators_pages_take_it(password: OperatorPassword, path: str) -> None:
    assert password.find_operator(request(path=path), None) is not None


def test_without_a_password_none_is_right() -> None:
    password = OperatorPassword(Secret(""))

    assert password.find_operator(request(""), None) is None


def test_a_guesser_is_stopped_and_nobody_else(password: OperatorPassword, clock: Clock) -> None:
    for _ in range(10):
        assert password.find_operator(request("wrong"), None) is None

    with pytest.raises(LimitReached):
        password.find_operator(request("wrong"), None)
    with pytest.raises(LimitReached):
        password.find_operator(request(), None)
    assert password.find_operator(request(peer="198.51.100.8"), None) is not None
    clock.now = 60.0
    assert password.find_operator(request(), None) is not None


def test_all_addresses_of_one_ipv6_network_are_one_guesser(password: OperatorPassword) -> None:
    for number in range(10):
        password.find_operator(request("wrong", peer=f"2001:db8::{number}"), None)

    with pytest.raises(LimitReached):
        password.find_operator(request(peer="2001:db8::ffff"), None)
    assert password.find_operator(request(peer="2001:db8:0:1::1"), None) is not None


def test_guesses_from_everywhere_cost_little_memory(password: OperatorPassword) -> None:
    for number in range(3000):
        password.find_operator(request("wrong", peer=f"10.1.{number // 250}.{number % 250}"), None)

    assert len(password._guesses._tries) == 1000


@pytest.mark.parametrize(
    ("peers", "is_one"),
    [
        (("198.51.100.7:1", "198.51.100.7:2"), True),
        (("::ffff:198.51.100.7", "198.51.100.7"), True),
        (("::ffff:198.51.100.7", "::ffff:198.51.100.8"), False),
        (("[2001:db8::1]:1", "[2001:db8::2]:2"), True),
        (("[2001:db8::1]", "2001:db8::2"), True),
    ],
)
def test_an_address_is_counted_however_a_proxy_writes_it(
    password: OperatorPassword, peers: tuple[str, str], is_one: bool
) -> None:
    for _ in range(10):
        password.find_operator(request("guess", peer=peers[0]), None)

    if is_one:
        with pytest.raises(LimitReached):
            password.find_operator(request("guess", peer=peers[1]), None)
    else:
        assert password.find_operator(request("guess", peer=peers[1]), None) is None
