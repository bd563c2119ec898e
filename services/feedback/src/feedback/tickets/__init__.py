"""Tickets and people as feedback knows them: what decides whether, when and in which words somebody is asked."""
