"""Tickets as escalation knows them: their facts, and what was told of them that clocks count by."""
