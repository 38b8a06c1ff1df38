"""Pure codecs, one a channel: verify what came in, read it, write what goes out, and say what an answer means."""
