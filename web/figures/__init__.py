"""The figures of all processes, brought together for Prometheus."""
