"""What tests share: given/when/then, the cast of nouns, and the conformance suites."""
