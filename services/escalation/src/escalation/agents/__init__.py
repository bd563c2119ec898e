"""What escalation knows of agents: who there is, of which tier and teams, and who is there now."""
