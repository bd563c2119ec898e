"""Feedback owns satisfaction surveys, the follow-ups of bad scores, and the figures computed from all topics.

Slices, each of which may use the `domain` and `usecases` of those below it:

- `figures`: KPIs with the tickets behind every number
- `followups`: the lead's tasks after bad scores
- `surveys`: who is asked, when, and what they answered
- `policies`: whom surveys ask, when and how often
- `ownership`: who had which ticket, from when to when
- `tickets`: what surveys must know of tickets and people
"""

SLICES = ("figures", "followups", "surveys", "policies", "ownership", "tickets")
"""Highest first."""
