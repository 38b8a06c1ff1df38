"""What a contributor runs beside the system: generators of the vocabulary's files, and the architecture's guards."""
