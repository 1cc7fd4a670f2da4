"""Runs agents as Celery tasks and writes everything they do to the run's log."""
