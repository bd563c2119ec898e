"""Follow-ups: after a bad score, a task for the lead, and where the person agrees, the ticket opened again."""
