"""Emulators of the outside world: Meta's Graph API, Claude, an ERP, and a contact who answers. None is a real provider."""
