"""The whole system on one machine: `python -m worker.local`."""
