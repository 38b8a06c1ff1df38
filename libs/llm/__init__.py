"""Claude: the turn as data, its prompt, its validated outcome, and the one client that talks to the Messages API."""
