"""`python -m tests.unit.deploy.exported`: the names of our metrics as Prometheus reads them, a line each.

A process of its own, since a process has one provider of meters, and instruments are made when modules are imported.
"""

from tools.metrics import collect


def main() -> None:
    """Print every name that documents may use: those of the samples, and a histogram's own."""
    families = collect()
    names = {sample.name for family in families for sample in family.samples}
    names |= {family.name for family in families if family.type == "histogram"}
    print("\n".join(sorted(names)))  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
