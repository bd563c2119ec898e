"""Tickets as routing knows them: the facts that choose a desk and say what the work asks for, and nothing else."""
