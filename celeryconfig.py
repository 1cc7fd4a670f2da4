"""How Celery behaves here, for the worker that takes messages and the web process that sends them.

What depends on the environment (`worker_concurrency`, and all about the broker: see `worker.contract.broker`) is set
by `worker.app` and `web.doorbell` from their settings. Measured reasons are in decision 2 (docs/decisions).
"""

from worker.contract.commands import DEFAULT_QUEUE

# A message is a doorbell: JSON with one run id. Nothing is ever unpickled.
task_serializer = "json"
accept_content = ["json"]
task_default_queue = DEFAULT_QUEUE

# The run's record is the only state; a result backend would double the writes and disagree after a redelivery.
task_ignore_result = True
result_backend = None

# A stopped worker hands unfinished messages back. A message that comes twice costs one refused claim.
task_acks_late = True
task_reject_on_worker_lost = True

# A waiting run must not sit behind a long one in a busy worker while another worker is idle.
worker_prefetch_multiplier = 1

# Redis and worker start in any order on a platform; the default of 100 tries would end the worker after some 46
# minutes.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

# A blip of the broker connection must not end healthy runs: the lease makes a second copy leave.
worker_cancel_long_running_tasks_on_connection_loss = False

# Cancel and inspection are fields of the run's record. Without these two a worker needs 2 connections instead of 10.
# TASK_EVENTS=true turns on the second, for Flower.
worker_enable_remote_control = False
worker_send_task_events = False

# With a socket timeout of 2 s on the sending side a web request fails after some 4 s instead of hanging.
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}

# Ours: JSON lines with the run on each, not Celery's.
worker_hijack_root_logger = False
