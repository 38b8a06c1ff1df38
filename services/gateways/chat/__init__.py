"""The chat over our own WebSocket, and its widget."""
