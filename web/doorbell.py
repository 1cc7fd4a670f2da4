"""The doorbell: tells the workers that a run waits, through Celery, by task name."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from web.errors import Unavailable
from worker.contract.commands import DEFAULT_QUEUE, EXECUTE_RUN

#: A person waits for the answer, so a broker that does not answer is given up early; a worker may wait longer.
_TIMEOUT_SECONDS = 2.0


class Doorbell:
    """Sends "look at run R". For use by many OS threads; opens no connection before the first ring."""

    def __init__(self, broker_url: str) -> None:
        self._celery = Celery("outloud-web", set_as_current=False)
        self._celery.config_from_object("celeryconfig")
        options = {
            **self._celery.conf.broker_transport_options,
            "socket_timeout": _TIMEOUT_SECONDS,
            "socket_connect_timeout": _TIMEOUT_SECONDS,
            # For the connection itself, which kombu otherwise tries to open for a very long time.
            "max_retries": 0,
        }
        self._celery.conf.update(broker_url=broker_url, broker_transport_options=options)

    def ring(self, run_id: str) -> None:
        """Send one message; it may be lost or come twice, the run's record is the truth.

        Raises:
            Unavailable: The broker did not take it.
        """
        try:
            # Without Celery's own retry: the client tries again, and the reaper finds the run in any case.
            self._celery.send_task(EXECUTE_RUN, args=[run_id], queue=DEFAULT_QUEUE, retry=False, ignore_result=True)
        except (KombuError, OperationalError, RedisError, OSError) as error:
            raise Unavailable(
                "The message is stored, but no worker could be told of it; try again.",
                code="queue_unavailable",
                detail={"retryable": True, "run_id": run_id},
            ) from error

    def close(self) -> None:
        """Close the connections to the broker."""
        self._celery.close()
