"""A small platform on this machine: it takes the committed files and runs them as a host of Procfiles does."""
