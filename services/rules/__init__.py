"""Which follow-ups a business event asks for."""
