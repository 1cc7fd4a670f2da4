"""Lets Celery tell what its tasks do, for those who watch it with Flower. Off by default: it costs connections."""

from __future__ import annotations

import socket
from typing import Any

from celery import Celery
from celery.worker.consumer import Consumer
from celery.worker.consumer.heart import Heart


class SignsOfLife(Heart):  # type: ignore[misc]
    """Flower counts a worker as gone that sends no heartbeat event, and the Procfile's line turns those off."""

    def __init__(self, consumer: Consumer, **options: Any) -> None:
        super().__init__(consumer, **{**options, "without_heartbeat": False})


def send_task_events(app: Celery) -> None:
    """Have the worker of this application tell of its tasks, and that it lives.

    Not of sent ones: their event knows no name but the task's own, and may overwrite the agent's.
    """
    app.conf.worker_send_task_events = True
    app.steps["consumer"].add(SignsOfLife)


def name_worker(controller: Any, worker_id: str) -> None:
    """Give Celery's worker, which is about to be set up, the name that /ops shows; on one host all have the same."""
    controller.hostname = f"{worker_id}@{socket.gethostname()}"
