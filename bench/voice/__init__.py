"""Fifty phone calls in one process: the voice service beside Pipecat with its defaults, bolna and livekit-agents."""
