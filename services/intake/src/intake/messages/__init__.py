"""Messages: what requesters, agents and automations say on a ticket, and the notes that only agents see."""
