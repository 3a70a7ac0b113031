"""The linkage model: what is compared, in which degrees, and the trained weights.

A model is a JSON file of ``model/``, named by its version, made by ``neet identity train`` and never changed. It holds
Splink's settings with the trained parameters, how often each name occurs, and the record of its training.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("model")
CURRENT = "2026-1"
"""Version in use. Another one is a change of code, and links everybody anew."""

BIRTH_DATE_SAME = "l.dob = r.dob"


def _level(condition: str, label: str, **more: Any) -> dict[str, Any]:
    return {"sql_condition": condition, "label_for_charts": label} | more


def _else() -> dict[str, Any]:
    return _level("ELSE", "different")


_SWAPPED = "(given_l = family_r and family_l = given_r and given_l <> family_l)"
_CLOSE = "(damerau_levenshtein({0}_l, {0}_r) <= 1 or jaro_winkler_similarity({0}_l, {0}_r) >= 0.92)"
_SIMILAR = "jaro_winkler_similarity({0}_l, {0}_r) >= 0.80"

COMPARISONS: list[dict[str, Any]] = [
    {
        "output_column_name": "given",
        "comparison_description": "given name",
        "comparison_levels": [
            _level("given_l is null or given_r is null", "not there", is_null_level=True),
            _level(_SWAPPED, "in the field of the family name, and the other way round"),
            _level("given_l = given_r", "the same", tf_adjustment_column="given", tf_adjustment_weight=1.0),
            _level("list_contains(short_l, given_r) or list_contains(short_r, given_l)", "a short form or spelling of it"),
            _level("list_has_any(givens_l, givens_r)", "the same as another name in use"),
            _level("(starts_with(given_l, given_r) or starts_with(given_r, given_l)) and least(length(given_l), length(given_r)) >= 2",
                   "the beginning of it"),
            _level(_CLOSE.format("given"), "a slip away"),
            _level(_SIMILAR.format("given"), "alike"),
            _else(),
        ],
    },
    {
        "output_column_name": "family",
        "comparison_description": "family name",
        "comparison_levels": [
            _level(f"family_l is null or family_r is null or {_SWAPPED}", "not there or counted with the given name", is_null_level=True),
            _level("family_l = family_r", "the same", tf_adjustment_column="family", tf_adjustment_weight=1.0),
            _level("list_has_any(families_l, families_r)", "the same as a former name, another in use, or half of it"),
            _level(_CLOSE.format("family"), "a slip away"),
            _level(_SIMILAR.format("family"), "alike"),
            _else(),
        ],
    },
    {
        "output_column_name": "dob",
        "comparison_description": "date of birth",
        "comparison_levels": [
            _level("dob_l is null or dob_r is null", "not there", is_null_level=True),
            # 1 January is written where nobody knows the day: there it says no more than a date that is nearly the same.
            _level("dob_l = dob_r and dob_l not like '%-01-01'", "the same"),
            _level("dob_l = dob_turned_r", "day and month exchanged"),
            _level("damerau_levenshtein(dob_l, dob_r) <= 1", "a digit away"),
            _level("substr(dob_l, 6) = substr(dob_r, 6) or substr(dob_l, 1, 7) = substr(dob_r, 1, 7)", "two parts of three the same"),
            _else(),
        ],
    },
    {
        "output_column_name": "postcode",
        "comparison_description": "postcode",
        "comparison_levels": [
            _level("len(postcodes_l) = 0 or len(postcodes_r) = 0", "not there", is_null_level=True),
            _level("list_has_any(postcodes_l, postcodes_r)", "the same"),
            _level("damerau_levenshtein(postcode_l, postcode_r) <= 1", "a character away"),
            _else(),
        ],
    },
    {
        "output_column_name": "gender",
        "comparison_description": "gender",
        "comparison_levels": [
            _level("gender_l is null or gender_r is null", "not there", is_null_level=True),
            _level("gender_l = gender_r", "the same"),
            _else(),
        ],
    },
    {
        "output_column_name": "school",
        "comparison_description": "school",
        "comparison_levels": [
            _level("school_l is null or school_r is null or regexp_matches(school_l, '^[0-9]') <> regexp_matches(school_r, '^[0-9]')",
                   "not there or not comparable", is_null_level=True),
            _level("school_l = school_r", "the same"),
            _else(),
        ],
    },
]  # fmt: skip

WORDS = {one["output_column_name"]: one["comparison_description"] for one in COMPARISONS}
TERMS = ("given", "family")
"""Columns whose frequency counts: agreeing in Smith says less than agreeing in a rare name."""

FEATURES = """
with content as (
    select
        *,
        nullif(split_part(given_form, ' ', 1), '') as given,
        nullif(split_part(alias_form, ' ', 1), '') as alias_given,
        case when alias_form like '% %' then split_part(alias_form, ' ', -1) end as alias_family
    from {table}
)
select
    content_hash as unique_id,
    content.given,
    list_sort(list_distinct(list_filter(
        string_split(coalesce(given_form, '') || ' ' || coalesce(middle_form, '') || ' ' || coalesce(alias_given, ''), ' '),
        lambda one: length(one) > 1))) as givens,
    coalesce(short.others, []) as short,
    family_form as family,
    list_sort(list_distinct(list_filter(
        [family_form, former_family_form, preferred_family_form, alias_family]
        || string_split(coalesce(family_form, '') || ' ' || coalesce(former_family_form, ''), ' '),
        lambda one: length(one) > 1))) as families,
    cast(dob as varchar) as dob,
    case when extract(day from dob) <= 12 and extract(day from dob) <> extract(month from dob)
        then strftime(make_date(extract(year from dob), extract(day from dob), extract(month from dob)), '%Y-%m-%d')
    end as dob_turned,
    postcode,
    list_distinct(list_filter([postcode, previous_postcode], lambda one: one is not null)) as postcodes,
    gender_form as gender,
    school_form as school,
    tf_given.frequency as tf_given,
    tf_family.frequency as tf_family
from content
left join (select name, list(short_name order by short_name) as others from short_name group by name) as short
    on short.name = content.given
left join term as tf_given on tf_given.kind = 'given' and tf_given.name = content.given
left join term as tf_family on tf_family.kind = 'family' and tf_family.name = content.family_form
"""
"""What is compared, from what a record says; one row a content."""

BLOCKS = {
    "family name and date of birth": "select unique_id, unnest(families) || '|' || dob as block_key from feature",
    "given name and date of birth": "select unique_id, unnest(givens) || '|' || dob as block_key from feature",
    "date of birth and postcode": "select unique_id, dob || '|' || unnest(postcodes) as block_key from feature",
    "both names, in any order": "select unique_id, least(given, family) || '|' || greatest(given, family) as block_key from feature",
    "family name and postcode": "select unique_id, family || '|' || unnest(postcodes) as block_key from feature",
    "given name and postcode": "select unique_id, given || '|' || unnest(postcodes) as block_key from feature",
}
"""Two contents are compared if they share a key of one of these rules. Every rule joins two facts, so that a common name
alone brings nobody together."""


@dataclass(frozen=True)
class Model:
    """A trained model."""

    version: str
    settings: dict[str, Any]
    terms: dict[str, dict[str, float]]
    training: dict[str, Any]
    sha256: str

    @cached_property
    def labels(self) -> dict[str, dict[int, str]]:
        """Column -> comparison vector value -> words."""
        return labels_of(COMPARISONS)


def labels_of(comparisons: list[dict[str, Any]]) -> dict[str, dict[int, str]]:
    """Splink numbers the levels downwards to 0, the empty one being -1."""
    found = {}
    for one in comparisons:
        levels = [level for level in one["comparison_levels"] if not level.get("is_null_level")]
        labels = {
            len(levels) - 1 - place: level["label_for_charts"] for place, level in enumerate(levels)
        }
        found[one["output_column_name"]] = labels | {-1: "not there"}
    return found


def load(version: str = CURRENT) -> Model:
    """A model of the repository.

    Raises:
        FileNotFoundError: there is no such version.
    """
    data = (FOLDER / f"{version}.json").read_bytes()
    content = json.loads(data)
    return Model(
        version,
        content["settings"],
        content["terms"],
        content["training"],
        hashlib.sha256(data).hexdigest(),
    )
