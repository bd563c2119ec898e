"""The parts of the routing engine, each importing only those named before it.

stages: a ticket's ring and band over time. roster: agents, by profile and free capacity. needs: which profiles may
take a ticket. waiting: tickets in line. kinds: tickets that differ in time only. wheel: their timers. backlog: all
lines, and the first ticket for a profile. price: the cheapest agent for a ticket. reach: what nobody could ever take,
and how many agents each filter leaves. staff and waitlist: what is known of agents and tickets, and what is new.
"""
