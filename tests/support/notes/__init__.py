"""A tiny real service on `common`, for tests of the edge and of processes: notes, each with a version and an owner."""
