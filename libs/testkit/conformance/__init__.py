"""Suites that are defined once and inherited by the test of every adapter."""
