"""S1: `POST /v1/tickets` of intake, beside a hand-written endpoint that makes the same promise."""
