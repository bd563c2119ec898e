"""Ownership: who had which ticket, from when to when, as routing tells it; and how an answer is shared among them."""
