"""The England benchmark's own arithmetic: who is copied from whom, and how growth is judged."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks import bench_england
from benchmarks.bench_england import Point, authorities, exponent, extrapolation, figures


def point(authorities_: int, months: int, people: int, seconds: float, disk: float = 1.0) -> Point:
    return Point(authorities_, months, people * 8, people, people * months, people // 2, seconds, seconds, 100.0, 1000.0, disk, disk, {"a_model": seconds / 2})  # fmt: skip


def test_every_authority_of_the_scorecard_is_there_at_its_own_size():
    found = authorities()
    assert len({one.la_code for one in found}) == bench_england.FULL == len(found)
    assert sum(one.cohort for one in found) == pytest.approx(1_278_230, rel=0.001)  # England's row
    assert {one.la_code for one in found[:3]} == set(bench_england.TEMPLATES)
    size = {one.la_code: one.cohort for one in found}
    assert all(one.cohort <= size[one.template] for one in found), "nobody is drawn twice"
    assert {one.template for one in found} == set(bench_england.TEMPLATES)


def test_any_number_of_authorities_is_a_mixture():
    mean = [sum(one.cohort for one in authorities(count)[3:]) / (count - 3) for count in (38, 151)]
    assert mean[0] == pytest.approx(mean[1], rel=0.25)


def test_a_line_has_exponent_one_and_a_square_two():
    assert exponent([(10, 5.0), (20, 10.0), (80, 40.0)]) == pytest.approx(1)
    assert exponent([(10, 1.0), (20, 4.0), (80, 64.0)]) == pytest.approx(2)


def test_what_grows_faster_than_the_bound_is_named_and_refused(capsys):
    with pytest.raises(AssertionError, match=r"to the power 1\.50, more than 1\.1"):
        list(figures([point(10, 6, 1_000, 10.0), point(40, 6, 4_000, 80.0)]))
    printed = capsys.readouterr().out
    assert "exponent 1.50 of seconds" in printed and "a_model: exponent 1.50" in printed


def test_a_size_is_held_against_the_one_before_it():
    first, second, growth = figures([point(10, 6, 1_000, 10.0), point(40, 6, 4_000, 44.0)])
    assert (first.reference_s, second.reference_s) == (None, 40.0)
    assert growth.name == "england_growth" and "exponent 1.07 of seconds" in growth.note


def test_six_years_are_said_to_be_extrapolated():
    months = [point(10, 2, 1_000, 20.0), point(10, 4, 1_000, 30.0), point(10, 6, 1_000, 40.0)]
    largest = dataclasses.replace(months[-1], authorities=40, people=4_000, seconds=160.0)
    (figure,) = extrapolation(months, largest)
    assert "extrapolated, not measured" in figure.note
    # A straight line: 5 s a month for a thousand people, so 20 s for four thousand, over 66 months more.
    assert 160 + 20 * 66 == pytest.approx(figure.ours_s, rel=0.6)
