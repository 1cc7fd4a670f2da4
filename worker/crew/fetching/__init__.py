"""Fetching a page from the public web, and from nowhere else."""
