"""The crew's tools, one small module for each kind."""
