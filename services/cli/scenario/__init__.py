"""Conversation scenarios: played through the services' own decisions, judged, and counted."""
