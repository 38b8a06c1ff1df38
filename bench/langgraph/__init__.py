"""The LangGraph side of bench/dialogue.py and bench/killed.py: run by an environment of its own, of requirements.lock."""
