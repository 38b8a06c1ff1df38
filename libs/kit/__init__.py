"""The tools of the shell: the log, the bus, reactors, effects, clocks and servers."""
