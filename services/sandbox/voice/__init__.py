"""Phone calls, emulated: the carrier, those who hear and speak for the agent, and the people on the other end."""
