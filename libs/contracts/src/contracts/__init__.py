"""The public event contract: envelope, topics, event types and their bodies. Imports nothing of ours."""
