"""Requesters: the people who ask, and the organisations that they belong to."""
