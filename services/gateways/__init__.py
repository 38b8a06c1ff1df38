"""The channels: what goes out to contacts, and what comes in from them and from the providers."""
