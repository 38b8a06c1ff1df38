"""The configuration bundle: read a folder, check all of it, compile it, store it and read it back."""
