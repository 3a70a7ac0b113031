"""A census run: one authority's return for one month, at one known time.

A run resolves its known time once, to a ``delivery_seq``, and hands it to every step (design rule 2).
Two runs of the same point at the same known time with the same code have the same ``run_id``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from dataclasses import dataclass

from neet.database import connect
from neet.settings import Settings
from neet.version import code_version


class NothingKnown(RuntimeError):
    """No delivery had been accepted by the known time asked for."""


@dataclass(frozen=True)
class CensusRun:
    """What every step of a census run needs to know.

    Attributes:
        run_id: 32 hex digits; hash of authority, point, ``known_seq`` and code version.
        census_point: ``YYYY-MM``.
        period_end: last day of the month reported.
        known_seq: deliveries and decisions up to and including this one are seen.
        known_at: when that delivery was accepted (UTC).
        schema_name: the schema that the census lineage is built in.
        pack_version: requirement year of the rule pack, ``YYYY-YY``, April to March.
        code_version: see :mod:`neet.version`.
    """

    run_id: str
    la_code: str
    census_point: str
    period_end: dt.date
    known_seq: int
    known_at: dt.datetime
    schema_name: str
    pack_version: str
    code_version: str

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=lambda value: value.isoformat())

    @classmethod
    def from_json(cls, text: str) -> CensusRun:
        values = json.loads(text)
        values["period_end"] = dt.date.fromisoformat(values["period_end"])
        values["known_at"] = dt.datetime.fromisoformat(values["known_at"])
        return cls(**values)


def resolve(
    settings: Settings,
    dsn_gate: str,
    la_code: str,
    census_point: str,
    known_seq: int | None = None,
    known_at: dt.datetime | None = None,
) -> CensusRun:
    """Fix the known time of a census run and write the run down.

    Args:
        la_code: three digits.
        census_point: ``YYYY-MM``; must be a row of ``census_points.csv``.
        known_seq: see everything up to this ``delivery_seq``; default: everything accepted so far.
        known_at: see everything accepted at or before this moment; not together with ``known_seq``.
    Raises:
        ValueError: both known times given, or a ``known_seq`` that nothing has reached yet.
        neet.calendar.CalendarEnd: the point is not in the loaded calendar.
        NothingKnown: nothing had been accepted by then.
    """
    from neet import calendar

    if known_seq is not None and known_at is not None:
        raise ValueError(
            "Give known_seq or known_at, not both: they are two ways to say one thing."
        )
    point = calendar.census_point(la_code, census_point)
    with connect(dsn_gate) as connection:
        condition, value = "true", None
        if known_seq is not None:
            condition, value = "delivery_seq <= %(known)s", known_seq
        elif known_at is not None:
            condition, value = "accepted_at <= %(known)s", known_at
        row = connection.execute(
            f"""select delivery_seq, accepted_at from control.delivery
                where delivery_seq is not null and {condition}
                order by delivery_seq desc limit 1""",
            {"known": value},
        ).fetchone()
        if row is None:
            raise NothingKnown(
                f"No delivery had been accepted by {value or 'now'}, so there is nothing to return for "
                f"{census_point}. Deliver the Core+ extracts first: `./neet deliver FEED FILE`."
            )
        seq, accepted_at = row
        if known_seq is not None and known_seq > seq:
            raise ValueError(
                f"known_seq {known_seq} has not been reached: the newest accepted delivery is {seq}."
            )
        code = code_version()
        run_id = hashlib.sha256(f"{la_code}|{census_point}|{seq}|{code}".encode()).hexdigest()[:32]
        run = CensusRun(
            run_id=run_id,
            la_code=la_code,
            census_point=census_point,
            period_end=point.period_end,
            known_seq=seq,
            known_at=accepted_at,
            schema_name=f"census_{la_code}_{census_point.replace('-', '_')}",
            pack_version=point.requirement_year,
            code_version=code,
        )
        connection.execute(
            """insert into assurance.census_run
                 (run_id, la_code, census_point, period_end, known_seq, known_at, schema_name, pack_version, code_version)
               values (%(run_id)s, %(la_code)s, %(census_point)s, %(period_end)s, %(known_seq)s, %(known_at)s,
                       %(schema_name)s, %(pack_version)s, %(code_version)s)
               on conflict (run_id) do nothing""",
            dataclasses.asdict(run),
        )
    return run
