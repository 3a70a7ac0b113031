"""Laws of loading, over random files: no row is lost, and the state is what a plain model says."""

from __future__ import annotations

import itertools
import random

import pytest
from feed_desk import TOY, TOY_HEADER, as_csv, with_contracts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neet.feeds import landing

pytestmark = pytest.mark.slow

LENIENT = """  - property: tolerance
    value: {rejectShare: 1.0, rejectRows: 1000, shrinkShare: 1.0, shrinkRows: 1000, closureShare: 1.0}
"""
PROVIDERS = (f"p{number}" for number in itertools.count())
SLOW = dict(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def lenient(desk, tmp_path):
    """No delivery is ever held for what it loses, so that only the state is at stake."""
    text = TOY.read_text()
    text = text[: text.index("  - property: tolerance")] + LENIENT
    return with_contracts(desk, tmp_path / "lenient", {"toy": text})


KEYS = st.sampled_from(["A", "B", "C", "D", "E"])
LABELS = st.sampled_from(["x", "y", ""])
ROW = st.tuples(
    st.sampled_from(["good", "good", "good", "bad", "keyless", "wide"]), KEYS, LABELS, st.booleans()
)
DELIVERY = st.tuples(st.sampled_from(["snapshot", "delta"]), st.lists(ROW, max_size=7))


def written(kind: str, key: str, label: str, deleted: bool, mode: str) -> list[str]:
    row = [key, label, "2021-09-01", "", ""]
    if kind == "bad":
        row[2] = "soon"
    if kind == "keyless":
        row[0] = " "
    if mode == "delta":
        row.append("D" if deleted else "U")
    if kind == "wide":
        row.append("one too many")
    return row


class Model:
    """What the design says (rule 4), in the plainest words: key -> (label, is_stale), open keys only."""

    def __init__(self):
        self.open: dict[str, tuple[str, bool]] = {}

    def take(self, mode: str, rows: list) -> dict[str, int | bool]:
        good: dict[str, tuple[str, bool]] = {}
        rejected_keys, unreadable, rejected = set(), False, 0
        for kind, key, label, deleted in rows:
            deletes = mode == "delta" and deleted
            if kind in ("keyless", "wide"):
                unreadable, rejected = True, rejected + 1
            elif kind == "bad" and not deletes:  # of a row to be deleted only the key is read
                rejected_keys.add(key)
                rejected += 1
            elif key in good:
                rejected += 1
            else:
                good[key] = (label, deletes)
        before = dict(self.open)
        loaded = closed = 0
        for key, (label, deletes) in good.items():
            if deletes:
                if self.open.pop(key, None):
                    loaded, closed = loaded + 1, closed + 1
            else:
                loaded += before.get(key) != (label, False)
                self.open[key] = (label, False)
        for key in rejected_keys - set(good):
            if key in self.open:
                self.open[key] = (self.open[key][0], True)
        if mode == "snapshot" and not unreadable:
            for key in set(before) - set(good) - rejected_keys:
                del self.open[key]
                closed += 1
        return {
            "rows_in": len(rows),
            "rows_loaded": loaded,
            "rows_unchanged": len(good) - loaded,
            "rows_rejected": rejected,
            "rows_closed": closed,
            "closures_held": mode == "snapshot" and unreadable,
        }


@settings(max_examples=30, **SLOW)
@given(deliveries=st.lists(DELIVERY, min_size=1, max_size=5))
def test_the_state_is_what_a_plain_model_says(lenient, deliveries):
    provider, model, latest = next(PROVIDERS), Model(), {}
    for number, (mode, rows) in enumerate(deliveries):
        header = [*TOY_HEADER, "Operation"] if mode == "delta" else TOY_HEADER
        content = as_csv(header, [written(*row, mode) for row in rows])
        day = 20210101 + number
        result = lenient.deliver("toy", f"{provider}_toy_{mode}_{day}.csv", content)
        assert result.status == "accepted", result.reason
        expected = model.take(mode, rows)
        assert {name: getattr(result, name) for name in expected} == expected
        latest = lenient.current("toy", "label", provider)
        assert latest == {
            key: ("S" if stale else "U", label or None)
            for key, (label, stale) in model.open.items()
        }
        repeated = lenient.deliver("toy", f"{provider}_toy_{mode}_{day}.csv", content)
        assert repeated.status == "duplicate"
        assert lenient.current("toy", "label", provider) == latest


BASE = as_csv(
    TOY_HEADER,
    [[f"T{n:02d}", f'"thing", {n}\nof {n}' if n % 5 == 0 else f"thing {n}", "2021-09-01", n, "1.5"] for n in range(30)],
).encode()  # fmt: skip


@settings(max_examples=40, **SLOW)
@given(seed=st.integers(0, 10**9), hits=st.integers(0, 15))
def test_rows_in_are_loaded_unchanged_or_rejected_whatever_happened_to_the_file(
    lenient, seed, hits
):
    chance, provider = random.Random(seed), next(PROVIDERS)
    first = lenient.deliver("toy", f"{provider}_toy_snapshot_20210101.csv", BASE)
    assert first.rows_loaded == 30
    mutated = bytearray(BASE)
    for _ in range(hits):
        place = chance.randrange(len(mutated))
        mutated[place : place + chance.randrange(4)] = chance.choice(
            [
                b"",
                b",",
                b'"',
                b"\n",
                b"\r\n",
                b"\0",
                b"\xff",
                b"\xc3\xa9",
                b"\x1f",
                b"9",
                b"T01",
                b";",
                b"a,b,c",
            ]
        )
    result = lenient.deliver("toy", f"{provider}_toy_snapshot_20210102.csv", bytes(mutated))
    if result.status == "refused":
        assert len(result.reason) > 40
        return
    assert result.status == "accepted", result.reason
    assert result.rows_in == result.rows_loaded + result.rows_unchanged + result.rows_rejected
    versions = lenient.query(
        """select count(*) filter (where operation = 'U'), count(*) filter (where operation = 'D')
           from raw.toy where la_code = %s and delivery_seq = %s""",
        provider,
        result.delivery_seq,
    )
    assert versions == [(result.rows_loaded, result.rows_closed)]
    assert lenient.rejects(result.delivery_id, "count(*) over ()")[:1] in (
        [],
        [(result.rows_rejected,)],
    )
    assert len(lenient.rejects(result.delivery_id, "1")) == result.rows_rejected
    if result.closures_held:
        assert result.rows_closed == 0
    still_open = set(lenient.current("toy", "label", provider))
    read = {row[0] for row in lenient.rejects(result.delivery_id, "row_key")} - {None}
    if not result.closures_held:
        good = lenient.query(
            "select row_key from raw.toy where la_code = %s and delivery_seq = %s and operation = 'D'",
            provider,
            result.delivery_seq,
        )
        assert not {key for (key,) in good} & (read | still_open), "no rejected key is closed"


@settings(max_examples=20, **SLOW)
@given(size=st.integers(0, len(BASE)))
def test_a_file_cut_anywhere_never_closes_a_row_in_silence(toy_desk, size):
    """With the contract's real tolerances: what a truncation closes stays within them."""
    provider = next(PROVIDERS)
    toy_desk.deliver("toy", f"{provider}_toy_snapshot_20210101.csv", BASE)
    result = toy_desk.deliver("toy", f"{provider}_toy_snapshot_20210102.csv", BASE[:size])
    tolerance = landing.contract_of(toy_desk.settings, "toy").tolerance
    assert result.rows_closed <= max(tolerance.shrink_rows, tolerance.shrink_share * 30)
    if result.status == "accepted" and size < len(BASE) - 1:
        assert result.rows_in >= 30 - max(tolerance.shrink_rows, tolerance.shrink_share * 30)
