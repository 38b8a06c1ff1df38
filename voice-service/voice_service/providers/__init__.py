"""The providers of a call: who hears (speech to text), who thinks (Claude), who speaks (text to speech), and their seconds."""
