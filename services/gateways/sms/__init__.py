"""SMS by three providers."""
