"""A client for the terminal: asks, follows and stops runs of any server, over HTTP and Server-Sent Events."""
