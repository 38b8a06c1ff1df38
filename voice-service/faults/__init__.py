"""The fault run: each provider killed, slowed, muted and rate-limited in mid-turn, and what the contact noticed of it."""
