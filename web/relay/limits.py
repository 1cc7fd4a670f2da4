"""Every limit of the relay, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, kw_only=True)
class RelayLimits:
    """Sizes in bytes, times in seconds."""

    #: What a browser sends is one small JSON object; a larger frame is a mistake or an attack.
    frame_bytes: int = 16 * KIB
    #: A message in fragments: as large as the largest event, so that both directions are bounded alike.
    message_bytes: int = 64 * KIB
    #: Empty continuation frames cost us a parse each and add nothing to `message_bytes`.
    fragments: int = 64

    #: A browser sends one pong per heartbeat and one ack per batch of events; a subscribe per run when it connects.
    inbound_rate: float = 20.0
    inbound_burst: int = 50

    #: A page shows one thread; this is a long thread's runs, with room.
    subscriptions_per_socket: int = 64
    #: Tabs of one person on all their devices. A socket costs 6 to 10 KiB and a page lets go of one it does not use, so
    #: 50 are at most 0.5 MB. Ten were too few: people keep more tabs open, and the eleventh would never become live.
    sockets_per_user: int = 50
    #: Sockets of the process; also held below the descriptor limit (see `Relay`).
    sockets: int = 10_000

    #: Ring of the newest events of a run: covers a reconnect without asking Redis, at most 0.5 MB per watched run.
    ring_events: int = 512
    ring_bytes: int = 512 * KIB
    #: Events read when a feed starts; most runs are shorter, so their viewers never page.
    tail_events: int = 256
    #: What one page of history should weigh. An event may have 64 KB, so pages begin small and grow with what they
    #: meet.
    page_bytes: int = 128 * KIB
    page_events: int = 256
    #: Messages kept while a feed reads. What does not fit is read from the log later.
    pending_events: int = 1024
    #: A reconnect within this time finds its feed as it was.
    feed_idle_seconds: float = 30.0
    #: Feeds without viewers that are kept; bounds what walking through many runs can cost (256 times 0.5 MB at worst).
    idle_feeds: int = 256
    #: History reads at one time; keeps a reconnect of thousands from holding thousands of pages in memory.
    concurrent_reads: int = 8

    #: Kernel send buffer of a socket. Linux would grow it to 2.8 MB for one stalled client.
    send_buffer_bytes: int = 64 * KIB
    #: Unsent bytes in the kernel above which the socket takes no more: what is sent late should be decided late.
    unsent_bytes: int = 16 * KIB
    #: Bytes in the process's own write buffer above which a viewer is left alone until it drains.
    write_buffer_bytes: int = 64 * KIB
    #: Bytes handed to a socket at once.
    write_bytes: int = 64 * KIB
    #: A viewer that takes nothing for this long is closed with 4408; it may resume.
    stall_seconds: float = 30.0
    #: Time for the peer to answer a close frame before the connection is cut.
    close_seconds: float = 10.0
    #: The kernel gives up on a silent peer: after `stall_seconds` and `close_seconds`, so that a live one gets its
    #: close code.
    silent_peer_seconds: float = 45.0

    #: Heroku's router cuts a connection after 55 s without a byte; two heartbeats fit, so one may be lost.
    heartbeat_seconds: float = 20.0
    #: How long a connection may outlive its sign-in. A look at ten thousand viewers costs 0.2 ms.
    sign_in_check_seconds: float = 1.0
    #: Comments in an event stream; proxies commonly cut at 30 s and up.
    comment_seconds: float = 15.0
    #: How long a lost last event may stay unnoticed.
    audit_seconds: float = 5.0
    #: Two missed probes rebuild the subscriber connection: a deaf one is found within 15 s.
    probe_seconds: float = 5.0
    probe_misses: int = 2
    #: Waits between attempts to reach Redis: full jitter below a bound that doubles from the first to the last.
    reconnect_first_seconds: float = 0.1
    reconnect_last_seconds: float = 5.0
    #: One answer of Redis; a viewer's read is tried again after the wait above.
    redis_seconds: float = 2.0

    #: Time in which acks gather before they are stored together; a page sends one per run and second.
    receipt_seconds: float = 0.25
    #: Acks stored in one round trip: packing more would hold up the event loop for milliseconds.
    receipt_batch: int = 200
    #: Acks that wait while Redis is away, the newest per viewer and run: two runs of each socket, some 5 MB.
    receipts: int = 20_000
    #: Acks are dropped after Redis has been away for so long. A page acks again when it is loaded.
    receipt_patience_seconds: float = 300.0

    #: At a stop, clients come back spread over at least this time …
    return_seconds: float = 3.0
    #: … and over twice the CPU time of a handshake for each of them.
    handshake_seconds: float = 0.0009
    #: Time for the close replies at a stop.
    drain_seconds: float = 2.0
