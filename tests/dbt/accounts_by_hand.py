"""Movement accounts worked out from the slices themselves: sets of people and fractions, without a line of SQL."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

GROUPS = {
    "ALL": lambda state: True,
    "EHCP": lambda state: state["sen_group"] == "EHCP",
    "SEN_SUPPORT": lambda state: state["sen_group"] == "SEN_SUPPORT",
    "NONE": lambda state: state["sen_group"] == "NONE",
    "VULNERABLE": lambda state: state["is_vulnerable"],
}
COUNTS = {
    "neet": lambda state: state["status_bucket"] == "NEET",
    "not_known": lambda state: state["status_bucket"] == "NOT_KNOWN",
    "neet_or_not_known": lambda state: state["status_bucket"] in ("NEET", "NOT_KNOWN"),
    "participating": lambda state: state["is_participating"],
}
STATE = (
    "district_code", "sen_group", "is_vulnerable", "status_bucket", "is_participating", "is_lapsed", "activity_code",
)  # fmt: skip


def same(one: dict | None, other: dict | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(one[name] == other[name] for name in STATE[:3]) and all(
        counts(one) == counts(other) for counts in COUNTS.values()
    )


def legs(positions, submitted: dict[str, str], opening: str, closing: str):
    """The two legs of a pair: (is corrected late, people before, people after)."""
    restated_of = {submission: month for month, submission in submitted.items()}
    first, last = positions[opening], positions[closing]
    people = first.keys() | last.keys()
    if (
        restated_of.get(opening) in (closing, restated_of.get(closing))
        or not {opening, closing} & restated_of.keys()
    ):
        waypoint = last
    elif opening in restated_of and closing in restated_of:
        as_now = positions[restated_of[opening]]
        waypoint = {
            person: state
            for person in people
            if (
                state := (last if same(as_now.get(person), last.get(person)) else first).get(person)
            )
        }
    else:
        waypoint = positions[restated_of.get(opening) or restated_of[closing]]
    is_corrected = opening in restated_of
    return [(is_corrected, first, waypoint), (not is_corrected, waypoint, last)]


def by_hand(
    positions, submitted, opening: str, closing: str, area: str | None, group: str, measure: str
):
    """Parts of an account: (part, change) -> (people more, people less, effect on the rate).

    Args:
        positions: who is counted: position -> person -> state, a dictionary of STATE.
        submitted: month -> the position that is its return.
        area: a district; None: the county.
    """

    def counted(state):
        return state is not None and (area is None or (state["district_code"] or "NOT_RECORDED") == area) and GROUPS[group](state)  # fmt: skip

    found = defaultdict(lambda: [0, 0, Fraction(0)])
    for is_corrected, before, after in legs(positions, submitted, opening, closing):
        cohort_before = sum(map(counted, before.values()))
        cohort_after = sum(map(counted, after.values()))
        number_before = sum(counted(state) and COUNTS[measure](state) for state in before.values())
        for person in before.keys() | after.keys():
            was, now = before.get(person), after.get(person)
            in_count = [bool(counted(state) and COUNTS[measure](state)) for state in (was, now)]
            if in_count[0] == in_count[1] and counted(was) == counted(now):
                continue
            if was is None or now is None:
                change = "JOINED" if was is None else "LEFT"
            elif counted(was) != counted(now):
                change = "MOVED_IN" if counted(now) else "MOVED_OUT"
            elif was["status_bucket"] != "NOT_KNOWN" == now["status_bucket"] and now["is_lapsed"]:
                change = "LAPSED"
            elif was["status_bucket"] == "NOT_KNOWN" != now["status_bucket"]:
                change = "CONFIRMED"
            else:
                change = "RECODED"
            if in_count[0] != in_count[1]:
                part = found["CORRECTED_LATE" if is_corrected else change, change]
                part[0 if in_count[1] else 1] += 1
                part[2] += Fraction(1 if in_count[1] else -1, cohort_after) if cohort_after else 0
            if counted(was) != counted(now):
                part = found["CORRECTED_LATE" if is_corrected else "COHORT_SIZE", "COHORT_SIZE"]
                part[0 if counted(now) else 1] += 1
                if cohort_before and cohort_after:
                    part[2] = number_before * (
                        Fraction(1, cohort_after) - Fraction(1, cohort_before)
                    )
    return {key: tuple(value) for key, value in found.items()}
