"""What every Frontline service shares and no ticket rule knows: the event backbone, the web edge, process life."""
