"""`python -m tests.support.notes api|worker|migrate|serve`."""

from common.service import run
from tests.support.notes.app import NotesSettings, build

run("notes", NotesSettings, build)
