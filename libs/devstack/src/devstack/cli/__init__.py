"""The command `frontline`: the local stack, and an operator's and agent's hand on any installation.

Each module holds the commands of one subject; `app.py` puts them together and turns errors into one line each.
"""
