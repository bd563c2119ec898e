"""Survey policies: whom a survey asks, when, how often, and for how long; versioned, and a version never changes."""
