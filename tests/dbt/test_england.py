"""The England benchmark in small: three authorities delivered, others copied from them, built as one country."""

from __future__ import annotations

import pytest

from benchmarks.bench_england import FEEDS, TEMPLATES, England, figures

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def england(new_warehouse, postgres_server, tmp_path_factory):
    """Six authorities in six months, at a hundredth of their size and built twice: after two months and at the end."""
    warehouse = new_warehouse()
    country = England(warehouse.settings, warehouse.dsn, tmp_path_factory.mktemp("county"), people=500, count=6)  # fmt: skip
    ends = country.month_ends()
    assert len(ends) == 6
    points, after = [], None
    for months in (2, 6):
        for end in ends[len(points) and 2 : months]:
            assert country.deliver(after, end)
            after = end
        points.append(country.build(postgres_server.data, months))
    return warehouse, country, points


def test_every_authority_has_every_delivery_in_its_order(england):
    warehouse, country, _ = england
    deliveries = warehouse.rows(
        "select la_code, array_agg(feed || period || mode order by delivery_seq) from control.delivery group by 1"
    )
    assert {la_code for la_code, _ in deliveries} == {one.la_code for one in country.authorities}
    template = {one.la_code: one.template for one in country.authorities}
    came = dict(deliveries)
    assert all(came[la_code] == came[template[la_code]] for la_code in came)
    assert len(came["886"]) >= 6 * len(FEEDS)
    wrong = """select count(*) from control.delivery as given where rows_loaded + rows_closed <> (
                 select count(*) from raw.core_plus_people as row where row.delivery_seq = given.delivery_seq)
               and feed = 'core_plus_people'"""
    assert warehouse.value(wrong) == 0


def test_copied_people_live_the_lives_of_the_people_they_are_copies_of(england):
    """Authorities share ids but for their code, so a join that forgot la_code would show here."""
    warehouse, country, _ = england
    copies = [one for one in country.authorities if one.la_code not in TEMPLATES]
    assert len(copies) == 3
    for one in copies:
        compared, different = warehouse.rows(
            f"""select count(*), sum(case when (copy.status_bucket, copy.neet_days, copy.neet_spell_number,
                  copy.is_in_denominator, copy.activity_code, copy.is_vulnerable) is distinct from
                  (given.status_bucket, given.neet_days, given.neet_spell_number, given.is_in_denominator,
                  given.activity_code, given.is_vulnerable) then 1 else 0 end)
                from marts_neet.fct_cohort_month as copy
                left join marts_neet.fct_cohort_month as given
                  on given.la_code = '{one.template}' and given.month_end = copy.month_end
                  and substr(given.young_persons_id, 4) = substr(copy.young_persons_id, 4)
                where copy.la_code = '{one.la_code}'"""
        )[0]
        assert compared > 100 and different == 0


def test_authorities_have_their_sizes(england):
    warehouse, country, points = england
    cohort = dict(
        warehouse.rows(
            """select la_code, count(*) from marts_neet.fct_cohort_month
               where is_in_denominator and month_end = '2022-03-31' group by 1"""
        )
    )
    wanted = {one.la_code: one.cohort * 500 / 52_000 for one in country.authorities}
    for la_code, size in wanted.items():
        assert cohort[la_code] == pytest.approx(size, rel=0.25, abs=12)
    assert points[-1].cohort == sum(cohort.values())


def test_a_run_ends_in_figures(england):
    _, _, points = england
    assert points[0].person_months < points[1].person_months
    assert all(point.server_mb > 20 and point.python_mb > 50 and point.database_gb > 0 for point in points)  # fmt: skip
    names = [figure.name for figure in figures(points)]
    assert names == ["england_build", "england_months_2", "england_months_6", "england_six_years_extrapolated"]  # fmt: skip
