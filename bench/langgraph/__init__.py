"""The dialogue of bench/dialogue.py in LangGraph: run by an environment of its own, of requirements.lock."""
