"""What keeps the house in order: the environment, and the checks that `make check` runs without any server."""
