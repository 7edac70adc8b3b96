"""What the tabs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ui.intake import Intake
from ui.uploads import Uploads

if TYPE_CHECKING:
    from store.library import Library


@dataclass
class Page:
    library: Library
    uploads: Uploads
    intake: Intake
    local: bool  # bound to loopback: the reader sits at this machine
    script: str  # tag that loads page.js before a component's own script runs

    @property
    def paths(self) -> bool:
        """Paths of this machine are nobody's business elsewhere."""
        return self.local
