"""How fast the routing engine decides, every rule on, beside a plain scan over all tickets and agents."""
