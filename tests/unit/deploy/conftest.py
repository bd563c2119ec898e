"""A copy of the manifests that a test may break."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tools.manifests.objects import Installation
from tools.manifests.render import ROOT, render, render_installation

_PARTS = {
    "base": ["running"],
    "components": ["running", "migrations"],
    "migrations": ["migrations"],
    "topics": ["topics", "usual_topics"],
}
"""What a change in a folder changes of an installation; a change of an overlay changes all."""


@dataclass(frozen=True, kw_only=True)
class Copy:
    """The manifests in a folder of their own."""

    root: Path
    sound: Installation

    def change(self, file: str, old: str, new: str) -> None:
        """Change every occurrence of a text in one file; it must be there."""
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} does not say {old!r}"
        path.write_text(text.replace(old, new))

    def render(self, changed: str) -> Installation:
        """Render what a change of this file can have changed; the rest is as in the sound manifests."""
        parts = _PARTS.get(changed.partition("/")[0])
        if parts is None:
            return render_installation(self.root, "local")
        overlay = self.root / "overlays" / "local"
        folders = {
            "running": overlay,
            "migrations": overlay / "migrations",
            "topics": overlay / "topics",
            "usual_topics": self.root / "topics",
        }
        namespace = list(self.sound.of("Namespace"))
        rendered = {part: [*render(self.root, folders[part])] for part in parts}
        rendered |= {"running": namespace + rendered["running"]} if "running" in rendered else {}
        return replace(self.sound, **rendered)


@pytest.fixture(scope="session")
def sound() -> Installation:
    """The manifests as they are."""
    return render_installation(ROOT, "local")


@pytest.fixture
def copy(tmp_path: Path, sound: Installation) -> Copy:
    """The sound manifests, to be broken."""
    shutil.copytree(ROOT, tmp_path / "k8s")
    return Copy(root=tmp_path / "k8s", sound=sound)
