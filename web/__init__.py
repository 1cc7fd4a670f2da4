"""The web process: pages and HTTP calls through Flask, live events through the relay.

Knows `worker.contract` and nothing else of `worker`. Start reading at `app`.
"""
