"""Copies the log into JetStream, position for position."""
