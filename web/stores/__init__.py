"""What the web process keeps in Redis and reads from there."""
