"""Work: the tickets that wait for an agent, and who gets which.

Beside the usual rooms this slice has `engine.py`, the routing rule in memory: pure Python without IO or clock, so that
production, simulator and benchmark run the same code.
"""
