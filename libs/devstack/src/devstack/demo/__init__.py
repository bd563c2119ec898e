"""A support floor that plays against a running installation, through its public APIs only.

- `cases`: what customers come with, in their words
- `story`: one ticket's whole course, chosen by seed and number
- `people`: how a customer or an agent reaches the installation, and keeps trying while parts of it are away
- `browser`: the little that a customer needs to answer the survey page
- `tally`: what has happened so far
- `floor`: the demo's own agents, desk and survey policy
- `customer`, `agent`: what each side does in a story
- `play`: many stories at once
"""
