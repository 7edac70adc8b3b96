"""What the tabs share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ui.intake import Intake
from ui.uploads import Uploads
from ui.work import Work

if TYPE_CHECKING:
    from store.library import Library


@dataclass
class Page:
    library: Library
    uploads: Uploads
    intake: Intake
    local: bool  # bound to loopback: the reader sits at this machine
    script: str  # tag that loads page.js before a component's own script runs
    vectors: dict[str, Any] = field(default_factory=dict)  # of uploads searched by, by their tokens
    works: dict[str, Work] = field(default_factory=dict)  # long work of the tabs, by what it is
    closing: threading.Event = field(default_factory=threading.Event)  # other threads look at it

    @property
    def paths(self) -> bool:
        """Paths of this machine are nobody's business elsewhere."""
        return self.local

    def close(self) -> None:
        """Stops what the tabs have in hand."""
        self.closing.set()
        for work in self.works.values():
            work.close()
