"""Tells the team's webhook of outcomes that nobody has seen."""
