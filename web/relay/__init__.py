"""The relay: the part of the web process that serves viewers.

Reading order: `limits`, `frames` (RFC 6455), `messages` (what is said over it), `ring`, `feed` (one run in this
process), `subscription` (one viewer's place in a run), `bus` and `history` (Redis), `receipts` (acks), `hub` (feeds and
viewers brought together), `outlet`, `viewer`, `event_stream` (sockets), `relay` (the OS thread).

`frames`, `messages`, `ring`, `feed`, `subscription` and `rate` know no socket, no Redis, no clock and no event loop.
"""
