"""What every service stands on: pure domain, codecs, configuration, and the tools of the shell."""
