"""Phone calls: dialling, the conversation, and what came of it."""
