"""Turns what people upload into what is stored."""
