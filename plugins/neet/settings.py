"""Where this installation keeps its state, and how each role reaches the warehouse.

Everything comes from the environment, with defaults that suit one machine:

=====================  ==========================================================================
``NEET_HOME``          folder of all state (default: ``var`` in the checkout)
``NEET_LA_CODE``       the local authority this installation serves (default: 886, Kent)
``NEET_DSN_<ROLE>``    connection string of a role; without it ``<home>/run/warehouse.json`` is read,
                       which ``neet up`` writes with the passwords it generated (mode 0600)
=====================  ==========================================================================
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]

ROLES = ("owner", "loader", "builder", "gate", "bi", "auditor")


class NotSetUp(RuntimeError):
    """The warehouse has not been started on this machine, or its connection file is gone."""


@dataclass(frozen=True)
class Settings:
    """Paths and connections of one installation.

    Attributes:
        root: the checkout.
        home: folder of all state; ignored by git.
        la_code: three-digit code of the authority served (nccis.md, la_codes.csv).
    """

    root: Path
    home: Path
    la_code: str

    @classmethod
    def load(cls, home: Path | str | None = None) -> Settings:
        """Settings from the environment; ``home`` overrides ``NEET_HOME``."""
        chosen = Path(home or os.environ.get("NEET_HOME") or PROJECT_ROOT / "var")
        return cls(
            root=PROJECT_ROOT,
            home=chosen.resolve(),
            la_code=os.environ.get("NEET_LA_CODE", "886"),
        )

    @property
    def landing(self) -> Path:
        """Immutable store of every file and decision ever received: what a rebuild starts from."""
        return self.home / "landing"

    @property
    def inbox(self) -> Path:
        """Where source systems leave files, one folder a feed."""
        return self.home / "inbox"

    @property
    def packages(self) -> Path:
        """Sealed return packages."""
        return self.home / "packages"

    @property
    def data_docs(self) -> Path:
        """Great Expectations Data Docs, one site a census run."""
        return self.home / "data_docs"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Process ids, sockets, generated passwords."""
        return self.home / "run"

    @property
    def dbt_project(self) -> Path:
        return self.root / "dbt_project"

    @property
    def expectations(self) -> Path:
        return self.root / "expectations"

    def dsn(self, role: str) -> str:
        """Connection string (``postgresql://``) of one of :data:`ROLES`.

        Raises:
            NotSetUp: neither ``NEET_DSN_<ROLE>`` nor the connection file exists.
        """
        if role not in ROLES:
            raise ValueError(f"unknown role {role!r}; expected one of {', '.join(ROLES)}")
        from_environment = os.environ.get(f"NEET_DSN_{role.upper()}")
        if from_environment:
            return from_environment
        file = self.run / "warehouse.json"
        if not file.exists():
            raise NotSetUp(
                f"The warehouse is not set up here ({file} does not exist). Run `make up` first."
            )
        return json.loads(file.read_text())["dsn"][role]
