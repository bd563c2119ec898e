"""The starting directory of a local stack: agents of three tiers, their skills, desks."""


def create_directory(routing_url: str, key: str) -> None:
    """Create it unless there are agents already."""
