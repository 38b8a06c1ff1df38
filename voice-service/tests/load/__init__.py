"""Many calls over several worker processes: restarted in turn, killed, and with the media elsewhere. `python -m load`."""
