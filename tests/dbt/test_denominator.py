"""``fct_cohort_month`` is the only denominator (kpis.md section 0, design section 7): no model counts a cohort of its own.

Looked at in the graph that dbt makes of the project, so that neither a chain of helper models nor another name of a
column hides a second cohort: whatever divides, averages or calls a column a rate must get its people from
``fct_cohort_month``, and whatever counts people elsewhere is listed here with what it counts them for.
"""

from __future__ import annotations

import re
import shutil

import pytest

from neet import transform
from neet.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow

DENOMINATOR = "fct_cohort_month"
GATEWAYS = {DENOMINATOR, "int_measured_month", "int_position"}
"""Past these everything upstream is the cohort's own business; the second adds what was submitted of it, the third also
what a submission said that another of the same point has replaced (the test account_is_whole holds them together)."""

PEOPLE = {
    "hist_core_plus_people", "hist_core_plus_activities", "int_young_person", "int_person_month", "int_activity_spell",
    "int_status_segment", "dim_young_person", "int_nccis_record", "ret_nccis_record", "source raw.core_plus_people",
    "source raw.core_plus_activities", "source submitted.return_record", "source submitted.cohort_month",
}  # fmt: skip
"""Relations that hold everybody: whoever counts their rows has made a cohort."""

READERS_OF_THE_SPINE = {
    "fct_cohort_month": "is made of it",
    "int_september_guarantee": "whose guarantee node belongs in the return; counts nobody",
    "int_nccis_record": "the return: everybody in it, faults included; counts nobody",
    "fct_dfe_feedback": "what a person whom the DfE names is today; counts nobody",
    "fct_flat_extract_difference": "the flat extract row by row against Core+; counts nobody",
}
"""The only models that may read ``int_person_month`` and what for."""

READS_PEOPLE_BESIDE = {
    "fct_cohort_month": "is made of them",
    "int_forecast_person": "provider of each activity; the people are those of fct_cohort_month",
    "int_forecast_count": "the people of int_forecast_person",
    "fct_currency_forecast": "the people of int_forecast_person",
    "fct_data_quality_value": "people flagged at risk, most of Year 11 and in no cohort; lateness of events, not of people",
    "fct_neet_survival": "of NEET spells, not of people: SEN group of whose spell it is, and the day they left",
}
"""Models that divide, and also read people past fct_cohort_month, with what for."""

COUNTS_PEOPLE_BESIDE = READS_PEOPLE_BESIDE | {
    "fct_home_education": "letters and replies of one household",
    "fct_neet_spell": "segments and days of one spell",
    "fct_return_read_back": "records and fields of a file that came back",
    "int_neet_segment": "segments of one person",
}
"""Models that count something and read people directly, with what they count."""

RATE_WORDS = re.compile(
    r"(^|_)(cohort|denominator|rate|share|pct|percent|percentage|ratio|proportion)(_|$)"
)
NOT_RATES = re.compile(r"cohort_(status|entry)|^is_in_|^is_code_in_|is_in_rate_denominator")
DIVIDES = re.compile(r"/|\bavg\s*\(|\bshare_of_counts\b|\bregr_|\bratio_to_report\b")
COUNTS = re.compile(
    r"\b(count|sum|avg|median|percentile\w*|grouping)\s*\(|\brow_number\s*\(\s*\)\s*over\s*\(\s*\)"
)


def sql_of(node) -> str:
    """Its SQL without comments and string constants, which may hold anything."""
    sql = re.sub(r"\{#.*?#\}", "", node.raw_code, flags=re.S)
    sql = re.sub(r"/\*.*?\*/", "", re.sub(r"--.*", "", sql), flags=re.S)
    return re.sub(r"'[^']*'", "''", sql).lower()


class Graph:
    """The models of a dbt manifest and what each reads."""

    def __init__(self, manifest):
        self.models = {
            node.name: node for node in manifest.nodes.values() if node.resource_type == "model"
        }
        self.reads = {
            name: {self._name(parent) for parent in node.depends_on.nodes}
            for name, node in self.models.items()
        }

    @staticmethod
    def _name(unique_id: str) -> str:
        kind, _, *rest = unique_id.split(".")
        return "source " + ".".join(rest) if kind == "source" else rest[-1]

    def people_past_the_cohort(self, name: str) -> set[str]:
        """Relations of people that a model reads, itself or by others, by a way that does not lead by the cohort."""
        found, seen, waiting = set(), {name}, [name]
        while waiting:
            for parent in self.reads.get(waiting.pop(), ()):
                if parent in PEOPLE:
                    found.add(parent)
                elif parent not in GATEWAYS | seen:
                    seen.add(parent)
                    waiting.append(parent)
        return found

    def makes_a_rate(self, name: str) -> bool:
        sql = sql_of(self.models[name])
        names = {*self.models[name].columns, *re.findall(r"\bas\s+\"?(\w+)", sql)}
        return bool(DIVIDES.search(sql)) or any(
            RATE_WORDS.search(column) and not NOT_RATES.search(column) for column in names
        )

    def violations(self) -> dict[str, set[str]]:
        """Promise broken -> models that break it."""
        known = self.models.keys() - PEOPLE - {"int_measured_month"}
        return {
            "reads int_person_month": {
                name for name in self.models if "int_person_month" in self.reads[name]
            }
            - READERS_OF_THE_SPINE.keys(),
            "makes a rate of people of its own": {
                name
                for name in known
                if self.makes_a_rate(name) and self.people_past_the_cohort(name)
            }
            - READS_PEOPLE_BESIDE.keys()
            - ROWS_OF_PEOPLE.keys(),
            "counts people of its own": {
                name
                for name in known
                if self.reads[name] & PEOPLE and COUNTS.search(sql_of(self.models[name]))
            }
            - COUNTS_PEOPLE_BESIDE.keys(),
            "reads what was submitted, not by int_measured_month": {
                name for name in self.models if "source submitted.cohort_month" in self.reads[name]
            }
            - {"int_measured_month", "int_position", "fct_submission_change"},
        }


ROWS_OF_PEOPLE = {
    "fct_currency_lapse": "one row a person of fct_cohort_month who lapses; the segments say when",
    "fct_if_corrected": "what fct_cohort_month would be with one status corrected",
    "fct_leaver_without_destination": "one row a leaver a school reported, and whether they are in fct_cohort_month",
    "fct_neet_duration": "spells of people of fct_cohort_month",
    "int_neet_length": "one row a spell of a person of fct_cohort_month and a month",
    "int_at_risk_month": "one row a person flagged as at risk and a month",
    "int_neet_repeat": "one row a person of fct_cohort_month who is NEET, and how many spells they have had",
    "fct_dfe_feedback": "one row a record that the DfE names",
    "fct_flat_extract_difference": "one row a difference",
    "fct_provision_gap": "people of fct_cohort_month by what they look for",
    "fct_core_plus_duplicate": "one row a pair of records",
    "fct_return_read_back": "one row a field",
}
"""Models that only name the cohort, or a column by such a word, and divide nothing."""

PLANTED = {
    "fct_planted_rate": (
        "select la_code, sum(case when is_lapsed then 1 else 0 end) / count(*) as value\n"
        "from {{ ref('int_person_month') }} group by la_code",
        {"reads int_person_month", "makes a rate of people of its own", "counts people of its own"},
    ),
    "int_planted_head_count": (
        "select la_code, count(*) as heads from {{ ref('int_young_person') }} group by la_code",
        {"counts people of its own"},
    ),
    "fct_planted_by_a_helper": (
        "select heads.la_code, month.neet_days * 1.0 / heads.heads as how_many_of_them\n"
        "from {{ ref('int_planted_head_count') }} as heads\n"
        "inner join {{ ref('fct_cohort_month') }} as month on month.la_code = heads.la_code",
        {"makes a rate of people of its own"},
    ),
    "fct_planted_mean": (
        "select la_code, avg(case when is_lapsed then 1 else 0 end) as value\n"
        "from {{ ref('int_status_segment') }} group by la_code",
        {"makes a rate of people of its own", "counts people of its own"},
    ),
    "fct_planted_of_submissions": (
        "select la_code, count(*) as cohort from {{ source('submitted', 'cohort_month') }} group by la_code",
        {
            "makes a rate of people of its own",
            "counts people of its own",
            "reads what was submitted, not by int_measured_month",
        },
    ),
    "fct_planted_honestly": (
        "select la_code, month_end, sum(neet_days) * 1.0 / count(*) as rate\n"
        "from {{ ref('fct_cohort_month') }} where is_in_denominator group by la_code, month_end",
        set(),
    ),
}


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """The graph of a copy of the project in which cohorts have been planted."""
    from dbt.cli.main import dbtRunner

    project = tmp_path_factory.mktemp("planted") / "dbt_project"
    shutil.copytree(PROJECT_ROOT / "dbt_project", project)
    for name, (sql, _) in PLANTED.items():
        (project / "models" / "intermediate" / f"{name}.sql").write_text(sql)
    with transform._environment(
        transform.profile_environment("postgresql://nobody@127.0.0.1:1/none")
    ):
        done = dbtRunner().invoke(
            ["parse", "--project-dir", str(project), "--profiles-dir", str(project), "--target-path",
             str(project / "target"), "--log-path", str(project / "logs"), "--no-partial-parse", "--quiet",
             "--log-level", "none", "--no-write-json"]
        )  # fmt: skip
    assert done.success, done.exception
    return Graph(done.result)


def test_nothing_counts_a_cohort_but_fct_cohort_month(graph):
    found = {what: names - PLANTED.keys() for what, names in graph.violations().items()}
    assert found == dict.fromkeys(found, set())


def test_a_planted_cohort_is_found_however_it_hides(graph):
    found = graph.violations()
    assert {name: {what for what, names in found.items() if name in names} for name in PLANTED} == {
        name: broken for name, (_, broken) in PLANTED.items()
    }


def test_every_rate_stands_on_the_cohort(graph):
    """The rates there are do come from it, not merely from nowhere."""
    for name in ("fct_kpi_value", "fct_currency_forecast", "fct_population_ratio", "int_cohort_count"):  # fmt: skip
        assert graph.makes_a_rate(name), name
        ancestors, waiting = set(), [name]
        while waiting:
            new = graph.reads.get(waiting.pop(), set()) - ancestors
            ancestors |= new
            waiting.extend(new)
        assert DENOMINATOR in ancestors, name


@pytest.mark.parametrize(
    "listed",
    [READERS_OF_THE_SPINE, READS_PEOPLE_BESIDE, COUNTS_PEOPLE_BESIDE, ROWS_OF_PEOPLE],
    ids=("spine", "rates", "counts", "rows"),
)
def test_no_exception_outlives_its_model(graph, listed):
    assert listed.keys() <= graph.models.keys()
    for name in listed:
        assert graph.people_past_the_cohort(name), f"{name} needs no exception"
    for name in ROWS_OF_PEOPLE.keys() & listed.keys():
        assert not DIVIDES.search(sql_of(graph.models[name])), f"{name} divides"
