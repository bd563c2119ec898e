"""Agents: the directory, skills with their levels, presence, and the load that each agent carries."""
