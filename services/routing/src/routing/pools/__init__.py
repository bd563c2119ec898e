"""Pools: the unit of decision. Who decides for one, what it must look at again, and what it was given."""
