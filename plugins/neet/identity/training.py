"""Train the linkage model once, on a synthetic county whose truth is known, and keep it with the record of how.

``m`` (how often records of one person agree so) is counted from the truth, ``u`` (how often records of two people do)
from random pairs. The warehouse never trains: a model is a file of the repository.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from neet.identity import model as models
from neet.identity import scoring
from neet.identity.model import COMPARISONS, Model
from neet.identity.records import Record

PEOPLE_OF_A_COUNTY = 52_000
"""Before anything is compared, a record belongs to one of so many people (Kent's cohort of three year groups)."""

RARE = 3
"""A name borne by fewer records has no frequency of its own: the model's average speaks for it."""

UNSEEN = 1e-5
"""Least share of any degree of agreement."""

SWAPPED_BY_CHANCE = 2e-5
"""``u`` of names that stand in each other's fields: too rare to count in random pairs, so set as the chance that two
given names and two family names agree, about 1 in 200 by 1 in 250."""


def train(
    records: list[Record],
    truth: Mapping[tuple[str, str], str],
    short_names: frozenset[tuple[str, str]],
    seed: int,
    training: Mapping[str, Any],
    version: str,
) -> dict[str, Any]:
    """The content of a model file.

    Args:
        records: of one county.
        truth: record -> who it is about.
        seed: of Splink's random pairs.
        training: what to say of the county: its seed, size, parameters.
    """
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    logging.getLogger("splink").setLevel(logging.WARNING)
    contents, label = {}, {}
    for record in records:
        if record.key in truth:
            contents[record.content_hash] = record.content
            label[record.content_hash] = truth[record.key]
    terms = _terms(records)
    untrained = Model(version, {}, terms, {}, "")
    with scoring.Scale(untrained, short_names) as scale:
        scale.put(contents)
        hashes = sorted(contents)
        scoring.table(scale.db, "label", {"unique_id": hashes, "person": [label[one] for one in hashes]})  # fmt: skip
        scale.db.execute(
            "create table labelled as select feature.*, person from feature join label using (unique_id)"
        )
        api = DuckDBAPI(scale.db)
        linker = Linker(api.register("labelled"), _settings(), log_level=None)
        linker.training.estimate_u_using_random_sampling(max_pairs=5e6, seed=seed)
        linker.training.estimate_m_from_label_column("person")
        settings = linker.misc.save_model_to_json()
    return {
        "version": version,
        "training": {
            **training,
            "trained_on": dt.date.today().isoformat(),
            "records": len(records),
            "contents": len(contents),
            "people": len(set(label.values())),
            "splink": importlib.metadata.version("splink"),
            "duckdb": importlib.metadata.version("duckdb"),
            "method": "m from the truth of the county, u from random pairs",
        },
        "settings": _tidied(settings),
        "terms": terms,
    }


def from_county(
    county: Path, version: str, made_by: str, seed: int, say: Callable[[str], None]
) -> Path:
    """Load a county, train on it, write the model.

    Args:
        made_by: the command that wrote the county, for the record.
        seed: of Splink's random pairs.

    Raises:
        FileExistsError: that version is there already.
    """
    from neet.identity import trial

    file = models.FOLDER / f"{version}.json"
    if file.exists():
        raise FileExistsError(17, "File exists", str(file))
    with trial.loaded(county, say) as loaded:
        records, policy = loaded.records()
    say(f"{len(records):,} records; training")
    truth = {key: one.person for key, one in loaded.truth.items()}
    described = {"county": made_by, "random_pairs_seed": seed}
    return write(train(records, truth, policy.short_names, seed, described, version), models.FOLDER)


def write(content: Mapping[str, Any], folder: Path) -> Path:
    """Keep a model under its version.

    Raises:
        FileExistsError: that version is there already; a model is never changed.
    """
    file = folder / f"{content['version']}.json"
    with file.open("x", encoding="utf-8") as handle:
        json.dump(content, handle, indent=1, sort_keys=True, ensure_ascii=False)
        handle.write("\n")
    return file


def _settings() -> dict[str, Any]:
    comparisons = json.loads(json.dumps(COMPARISONS))
    for level in comparisons[0]["comparison_levels"]:
        if "other way round" in level["label_for_charts"]:
            level |= {"u_probability": SWAPPED_BY_CHANCE, "fix_u_probability": True}
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "unique_id",
        "comparisons": comparisons,
        "blocking_rules_to_generate_predictions": ["l.family = r.family and l.dob = r.dob"],
        "probability_two_random_records_match": 1 / PEOPLE_OF_A_COUNTY,
        "retain_intermediate_calculation_columns": True,
        "retain_matching_columns": False,
    }


def _terms(records: list[Record]) -> dict[str, dict[str, float]]:
    """Share of the people of Core+ that bear a name."""
    core = [one for one in records if one.is_core]
    found = {}
    for kind, names in (
        ("given", [one.given_form.split()[0] for one in core if one.given_form]),
        ("family", [one.family_form for one in core if one.family_form]),
    ):
        counts = Counter(names)
        found[kind] = {
            name: round(count / len(names), 6)
            for name, count in sorted(counts.items())
            if count >= RARE
        }
    return found


def _tidied(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run; what the county never showed gets :data:`UNSEEN`, for nothing is impossible."""
    settings.pop("linker_uid", None)
    for comparison in settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            if not level.get("is_null_level"):
                for name in ("m_probability", "u_probability"):
                    level[name] = float(f"{max(level.get(name) or 0, UNSEEN):.6g}")
    return settings
