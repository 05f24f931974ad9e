"""Copies of an index while it is written to: pages of it as exact bytes, and their way into another."""
