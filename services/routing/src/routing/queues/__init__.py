"""Queues (people say desk): which tickets belong together, and how their work is given out."""
