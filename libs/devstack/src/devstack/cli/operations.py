"""`frontline ops parked|outbox|consumers|redrive|discard`: looking after the event backbone of one service."""

import typer

operations = typer.Typer(no_args_is_help=True, help="Events that wait or were parked, by service.")
