"""The doorbell: tells the workers that a run waits, through Celery, by task name."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from web.errors import Unavailable
from worker.contract.broker import Limits, is_amqp, sender_settings
from worker.contract.commands import EXECUTE_RUN, broker_queue
from worker.contract.connections import DEFAULT, web_share

#: A person waits for the answer, so a broker that does not answer is given up early; a worker may wait longer.
_LIMITS = Limits(connect_seconds=2.0, command_seconds=2.0)
_CONNECTIONS = web_share(DEFAULT).doorbell


class Doorbell:
    """Sends "look at run R". For use by many OS threads; opens no connection before the first ring."""

    def __init__(self, broker_url: str, *, connections: int = _CONNECTIONS) -> None:
        self._celery = Celery("outloud-web", set_as_current=False)
        self._celery.config_from_object("celeryconfig")
        broker = sender_settings(broker_url, _LIMITS)
        # For the connection itself, which kombu otherwise tries to open for a very long time.
        broker["broker_transport_options"]["max_retries"] = 0
        self._celery.conf.update(broker, broker_pool_limit=connections)
        # Without Celery's own retry where a dead connection is opened anew by itself: the client tries again, and the
        # reaper finds the run in any case.
        self._is_retried = is_amqp(broker_url)

    def ring(self, run_id: str, queue: str, agent: str = "") -> None:
        """Send one message to a queue (empty: the default); it may be lost or come twice, the record is the truth.

        `agent` is the task's name for who watches Celery, and decides nothing.

        Raises:
            Unavailable: The broker did not take it.
        """
        try:
            self._celery.send_task(
                EXECUTE_RUN,
                args=[run_id],
                queue=broker_queue(queue),
                shadow=agent or None,
                retry=self._is_retried,
                ignore_result=True,
            )
        except (KombuError, OperationalError, RedisError, OSError) as error:
            raise Unavailable(
                "The message is stored, but no worker could be told of it; try again.",
                code="queue_unavailable",
                detail={"retryable": True, "run_id": run_id},
            ) from error

    def close(self) -> None:
        """Close the connections to the broker."""
        self._celery.close()
