"""The link between a web process and Redis, with every trouble that a network has: viewers see no hole and no reset."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.support.proxy import Proxy, running_proxy
from tests.support.redis import RedisServer
from tests.support.relay import Browser, RelayServer, RunWriter, cursors, running_relay
from tests.support.waiting import scaled, wait_until

#: Small, so that every test meets each guard more than once.
LIMITS = json.dumps(
    {
        "audit_seconds": 0.3,
        "heartbeat_seconds": 0.5,
        "probe_seconds": 0.2,
        "redis_seconds": 0.5,
        "reconnect_last_seconds": 0.5,
        "ring_events": 64,
        "tail_events": 16,
    }
)
HEALED_SECONDS = 5.0


@pytest.fixture(scope="module")
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    with running_proxy(redis_server.port) as running:
        yield running


@pytest.fixture(scope="module")
def relay(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayServer]:
    url = f"redis://127.0.0.1:{proxy.port}/0"
    with running_relay(url, tmp_path_factory.mktemp("relay"), RELAY_LIMITS=LIMITS) as server:
        yield server


@pytest.fixture
def link(proxy: Proxy, relay: RelayServer) -> Iterator[Proxy]:
    """The link, whole before and after the test."""
    wait_until(lambda: relay.state()["is_listening"], what="the relay hears Redis")
    yield proxy
    proxy.heal()


@pytest.fixture
def run(redis_client: redis.Redis) -> RunWriter:
    """Written past the proxy: what a worker does is not in question here."""
    return RunWriter(redis_client).start().say(100)


@contextlib.contextmanager
def being_written(run: RunWriter) -> Iterator[None]:
    """Write on as long as the block lasts."""
    is_enough = threading.Event()

    def write() -> None:
        while not is_enough.wait(0.002):
            run.say()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            yield
        finally:
            is_enough.set()
        writing.result()


@contextlib.contextmanager
def watched(relay: RelayServer, run: RunWriter) -> Iterator[None]:
    """The block is the trouble. Who watched from before, came in the middle, or comes after it, sees the whole run."""
    with contextlib.ExitStack() as stack:
        early = stack.enter_context(relay.connect()).subscribe(run.run_id)
        early.read_until("live")
        with being_written(run):
            late = stack.enter_context(relay.connect()).subscribe(run.run_id, run.cursors[50])
            yield
        healed_at = time.monotonic()
        after = stack.enter_context(relay.connect()).subscribe(run.run_id)
        for browser, start in ((early, 0), (late, 51), (after, 0)):
            assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors[start:]
        assert time.monotonic() - healed_at < scaled(HEALED_SECONDS)
        # What is written now is heard, not only found.
        run.say(20).finish()
        for browser, start in ((early, 0), (late, 51), (after, 0)):
            assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors[start:]
            assert [frame for frame in browser.controls if frame["op"] in ("reset", "error")] == []


def cut_again_and_again(link: Proxy) -> None:
    dice = random.Random(1)
    for _ in range(15):
        time.sleep(dice.uniform(0, 0.15))
        link.cut(reset=dice.random() < 0.5)


def refuse(link: Proxy) -> None:
    link.trouble_with(refuses=True)
    link.cut()
    time.sleep(1.5)
    link.heal()


def fall_silent(*ways: str) -> Callable[[Proxy], None]:
    """A black hole, longer than any deadline; then everything comes late."""

    def trouble(link: Proxy) -> None:
        link.trouble_with(silent=frozenset(ways))
        time.sleep(2)
        link.heal()

    return trouble


def fall_silent_for_good(link: Proxy) -> None:
    """A black hole that ends with the connections: what was on its way never arrives."""
    link.trouble_with(silent=frozenset({"up", "down"}))
    time.sleep(1)
    link.cut(reset=True)
    time.sleep(1)
    link.cut(reset=True)
    link.heal()


def slice_bytes(link: Proxy) -> None:
    link.trouble_with(slices=1)
    link.cut()
    time.sleep(2)
    link.heal()


def delay(link: Proxy) -> None:
    link.trouble_with(delay=0.2)
    time.sleep(1)
    link.cut()
    time.sleep(1)
    link.heal()


def swallow(*parts: bytes) -> Callable[[Proxy], None]:
    """The request arrives, its reply does not."""

    def trouble(link: Proxy) -> None:
        for part in parts:
            before = link.swallowed
            link.swallow_reply_to(part)
            link.cut()
            wait_until(lambda: link.swallowed > before, what=f"a reply to {part!r} is swallowed")  # noqa: B023

    return trouble


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(cut_again_and_again, id="cut again and again"),
        pytest.param(refuse, id="refused"),
        pytest.param(fall_silent("up", "down"), id="silent"),
        pytest.param(fall_silent("down"), id="silent towards the web process"),
        pytest.param(fall_silent("up"), id="silent towards Redis"),
        pytest.param(fall_silent_for_good, id="silent for good"),
        pytest.param(slice_bytes, id="one byte at a time"),
        pytest.param(delay, id="delayed"),
        pytest.param(swallow(b"SUBSCRIBE", b"XRANGE", b"HMGET", b"PUBLISH"), id="replies swallowed"),
    ],
)
def test_trouble_on_the_link_makes_no_hole(
    relay: RelayServer, link: Proxy, run: RunWriter, trouble: Callable[[Proxy], None]
) -> None:
    with watched(relay, run):
        trouble(link)


def test_who_subscribes_while_the_link_is_silent_is_served_when_it_heals(
    relay: RelayServer, link: Proxy, run: RunWriter
) -> None:
    link.trouble_with(silent=frozenset({"up", "down"}))
    with relay.connect() as browser:
        browser.subscribe(run.run_id)
        time.sleep(1)
        link.heal()

        assert cursors(browser.read_until_seq(run.run_id, run.last)) == run.cursors


def test_a_run_that_ends_while_the_link_is_cut_is_seen_to_its_end(
    relay: RelayServer, link: Proxy, run: RunWriter
) -> None:
    browsers: list[Browser] = []
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            browsers.append(stack.enter_context(relay.connect()).subscribe(run.run_id))
            browsers[-1].read_until("live")
        link.trouble_with(refuses=True)
        link.cut()
        run.say(200).finish()
        link.heal()

        for browser in browsers:
            assert cursors(browser.read_until_seq(run.run_id, run.last, HEALED_SECONDS)) == run.cursors
