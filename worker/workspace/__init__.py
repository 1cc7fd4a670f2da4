"""The parts of a user's workspace: the files in Redis, the SQLite cache made of them, and reading from it."""
