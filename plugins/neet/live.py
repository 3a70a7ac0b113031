"""Whether the published marts are behind: newer deliveries, or other code or seeds than they were built with."""

from __future__ import annotations

from dataclasses import dataclass

from neet.database import connect
from neet.settings import Settings

PUBLISHED = """
select build_id, known_seq, code_version, seed_fingerprint from control.build
where lineage = 'live' and status = 'published' order by build_id desc limit 1
"""


@dataclass(frozen=True)
class LiveState:
    """How the live lineage stands.

    Attributes:
        accepted_seq: newest accepted delivery or decision; 0 when there is none.
        published_seq: what the published build has seen; ``None`` when nothing is published.
        build_id: the published build.
        is_same_code: it was built with the present code and seeds.
    """

    accepted_seq: int
    published_seq: int | None
    build_id: int | None
    is_same_code: bool

    @property
    def is_behind(self) -> bool:
        """Whether a build would show anything else than readers see now."""
        if not self.accepted_seq:
            return False
        return (
            self.published_seq is None
            or self.published_seq < self.accepted_seq
            or not self.is_same_code
        )

    @property
    def words(self) -> str:
        """The same for a person."""
        if self.published_seq is None:
            return f"Nothing is published yet; delivery {self.accepted_seq} is the newest accepted."
        code = "" if self.is_same_code else ", by other code or seeds than the present ones"
        return (
            f"Build {self.build_id} is published: it has seen delivery {self.published_seq} of "
            f"{self.accepted_seq}{code}."
        )


def state(settings: Settings, dsn: str) -> LiveState:
    """Compare what is accepted with what is published.

    Args:
        dsn: of a role that may read ``control``: loader, builder, gate or auditor.
    """
    from neet.transform import seed_fingerprint
    from neet.version import code_version

    with connect(dsn) as connection:
        accepted = connection.execute("select max(delivery_seq) from control.delivery").fetchone()[
            0
        ]
        published = connection.execute(PUBLISHED).fetchone()
    if published is None:
        return LiveState(accepted or 0, None, None, False)
    build_id, known_seq, code, seeds = published
    present = (code_version(), seed_fingerprint(settings))
    return LiveState(accepted or 0, known_seq, build_id, (code, seeds) == present)
