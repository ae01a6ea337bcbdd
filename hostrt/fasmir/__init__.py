"""The open compiler and its assembly: from FQIR models to programs for the simulated SPU."""
