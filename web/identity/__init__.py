"""Who sends a request: an anonymous user kept by a signed cookie, or whoever the configured way to sign in names."""
