"""The hash of a record is that of its JSON, whatever stands in it."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from neet.nccis.layout import record_columns
from neet.returns.candidate import record_hash

VALUES = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    st.fixed_dictionaries({name: VALUES for name in record_columns()}),
    st.lists(VALUES, max_size=3),
)
def test_the_hash_is_that_of_the_record_as_json(texts, codes):
    kept = {name: value or None for name, value in texts.items()}
    kept["characteristic_codes"] = [code or None for code in codes]
    plain = json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert (
        record_hash(texts | {"characteristic_codes": codes, "person_id": "not hashed"})
        == hashlib.sha256(plain.encode()).hexdigest()
    )
