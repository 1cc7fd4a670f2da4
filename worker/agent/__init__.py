"""Agents and their tools, and everything that makes their steps visible. Knows no Celery and no Redis."""
