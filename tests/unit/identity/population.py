"""Records of invented people straight in normal forms, for tests that need many and no database."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, replace

from faker.providers.person.en_GB import Provider

from neet.identity.records import CORE, Record

GIVEN = sorted(
    {name.lower() for name in [*Provider.first_names_male, *Provider.first_names_female]}
)
FAMILY = sorted({name.lower() for name in Provider.last_names})

EMPTY = Record(
    la_code="886", source_feed=CORE, source_key="", provider="886", is_current=True, first_known_seq=1,
    young_persons_id=None, upn=None, uln=None, given_form=None, middle_form=None, family_form=None, former_family_form=None,
    preferred_family_form=None, alias_form=None, dob=None, gender_form=None, postcode=None, previous_postcode=None,
    school_form=None,
)  # fmt: skip


@dataclass(frozen=True)
class Someone:
    """A person, whatever anybody writes down."""

    number: int
    given: str
    family: str
    dob: dt.date
    gender: str
    postcode: str
    upn: str
    uln: str

    @property
    def young_persons_id(self) -> str:
        return f"886{self.number:010d}"

    def record(self, feed: str, key: str | None = None, **changes) -> Record:
        """What a system says of the person when it makes no mistake; numbers only where given in ``changes``."""
        says = {
            "source_feed": feed, "source_key": key or f"{feed[:2]}{self.number}", "given_form": self.given,
            "family_form": self.family, "dob": self.dob, "gender_form": self.gender, "postcode": self.postcode,
        }  # fmt: skip
        return replace(EMPTY, **(says | changes))

    def core(self, **changes) -> Record:
        return self.record(
            CORE, self.young_persons_id,
            **{"young_persons_id": self.young_persons_id, "upn": self.upn, "uln": self.uln} | changes,
        )  # fmt: skip


def people(count: int, seed: int, twins: float = 0.03, siblings: float = 0.08) -> list[Someone]:
    """Different people, some of them twins, some of them siblings at one address."""
    dice = random.Random(seed)
    found: list[Someone] = []
    for number in range(1, count + 1):
        one = Someone(
            number, dice.choice(GIVEN), dice.choice(FAMILY),
            dt.date(2003, 9, 1) + dt.timedelta(dice.randrange(1096)), dice.choice("FM"),
            f"ZZ99{dice.randrange(1, 10)}{dice.choice('ABDEFGHJLNPQRSTUWXYZ')}{dice.choice('ABDEFGHJLNPQRSTUWXYZ')}",
            f"Z886{number:09d}", f"{9_000_000_000 + number}",
        )  # fmt: skip
        before = found[-1] if found else None
        if before and dice.random() < twins and before.given != one.given:
            one = replace(one, family=before.family, dob=before.dob, postcode=before.postcode)
        elif before and dice.random() < siblings and before.given != one.given:
            one = replace(one, family=before.family, postcode=before.postcode)
        found.append(one)
    return found


def slip(text: str, dice: random.Random) -> str:
    """One letter left out."""
    at = dice.randrange(1, len(text)) if len(text) > 3 else len(text)
    return text[:at] + text[at + 1 :]


def typed_by_themselves(someone: Someone, dice: random.Random) -> Record:
    """An account that a young person opened: no number, and now and then a slip."""
    changes: dict = {}
    chance = dice.random()
    if chance < 0.05:
        changes["given_form"] = slip(someone.given, dice)
    elif chance < 0.10:
        changes["family_form"] = slip(someone.family, dice)
    elif chance < 0.13 and someone.dob.day <= 12:
        changes["dob"] = dt.date(someone.dob.year, someone.dob.day, someone.dob.month)
    elif chance < 0.20:
        changes["postcode"] = None
    elif chance < 0.22:
        changes |= {"given_form": someone.family, "family_form": someone.given}
    elif chance < 0.30:
        changes["postcode"] = "ZZ990AA"
    return someone.record(
        "kent_choices_accounts", f"KC{someone.number}", gender_form=None, **changes
    )


def county(count: int, seed: int) -> tuple[list[Record], dict[tuple[str, str], str]]:
    """Core+, a school census with numbers and self-made accounts; and who each record is about."""
    dice = random.Random(seed)
    records, truth = [], {}
    for someone in people(count, seed):
        rows = [someone.core(), typed_by_themselves(someone, dice)]
        if dice.random() < 0.6:
            rows.append(someone.record("school_census", f"4601|{someone.upn}", upn=someone.upn))
        records += rows
        truth |= {row.key: someone.young_persons_id for row in rows}
    return in_order(records), truth


def in_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda one: (one.la_code, one.source_feed, one.source_key))
