"""Dated seed rows, and what is said when they cannot be used."""

import datetime as dt

import pytest

from neet.rules import codes

ON = dt.date(2021, 12, 31)


def test_lists_are_those_of_the_day():
    before, after = (codes.load_code_lists(dt.date(*day)) for day in ((2020, 3, 31), (2020, 4, 1)))
    assert set(after["ethnicities"]) - set(before["ethnicities"]) == {"BBRI"}
    assert "210" not in before["characteristics"] and "210" in after["characteristics"]
    assert "928" in before["la_codes"] and "940" not in before["la_codes"]
    assert "940" in codes.load_code_lists(ON)["la_codes"]
    assert "720" not in before["activities"] and "886" in before["la_codes"]
    assert before["other_la_codes"] == ("000", "001", "002", "003", "004")


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("x: {seed: none.csv, column: code}", "none.csv does not exist"),
        ("x: {seed: s.csv, column: letter}", "no column 'letter'"),
        ("x: {seed: s.csv, column: code, where: {colour: red}}", "no column 'colour'"),
        ("x: {seed: s.csv, column: code, where: {kind: c}}", "x is empty on 2021-12-31"),
    ],
)
def test_a_list_that_could_let_everything_pass_is_refused(tmp_path, definition, message):
    (tmp_path / "s.csv").write_text("code,kind,valid_from,valid_to\n1,a,,\n2,c,2022-01-01,\n")
    lists = tmp_path / "code_lists.yml"
    lists.write_text(f"seeds: .\nlists:\n  {definition}\n")
    with pytest.raises(codes.SeedError, match=message):
        codes.load_code_lists(ON, lists, tmp_path)


def test_an_undated_seed_is_refused(tmp_path):
    (tmp_path / "s.csv").write_text("code,valid_from,valid_to\n1,soon,\n")
    (tmp_path / "l.yml").write_text("seeds: .\nlists:\n  x: {seed: s.csv, column: code}\n")
    with pytest.raises(codes.SeedError, match="s.csv line 2: valid_from or valid_to"):
        codes.load_code_lists(ON, tmp_path / "l.yml", tmp_path)


HEADER = "priority,name,blocks,failures_allowed,severity,valid_from,valid_to,source,assumed\n"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,a,true,,critical,,,,\n", "blocks but has no failures_allowed"),
        ("1,a,true,0,critical,,,,\n1,b,false,,info,,,,\n", "given twice"),
        ("1,a,true,0,critical,,,,\n", "priorities 1, 2 and 3 are needed"),
        ("1,a,perhaps,0,critical,,,,\n", "cannot be read"),
    ],
)
def test_priorities_that_leave_a_doubt_are_refused(tmp_path, rows, message):
    file = tmp_path / "priorities.csv"
    file.write_text(HEADER + rows)
    with pytest.raises(codes.SeedError, match=message):
        codes.load_priorities(ON, file)


def test_only_must_fix_stops_the_return():
    found = codes.load_priorities(ON)
    assert [found[each].blocks for each in (1, 2, 3)] == [True, False, False]
    assert found[1].failures_allowed == 0


def test_thresholds_come_from_one_place(tmp_path):
    with pytest.raises(codes.SeedError, match="found 0"):
        codes.load_thresholds(ON, tmp_path)
    header = "threshold_id,value,unit,meaning,valid_from,valid_to,source,assumed\n"
    (tmp_path / "gate_threshold.csv").write_text(
        header + "a,5,percent,m,,2021-12-31,s,true\na,6,percent,m,2021-12-31,,s,true\n"
    )
    assert codes.load_thresholds(ON, tmp_path)["a"].value == 6
    (tmp_path / "gate_threshold.csv").write_text(
        header + "a,5,percent,m,,,s,true\na,6,percent,m,,,s,true\n"
    )
    with pytest.raises(codes.SeedError, match="given twice"):
        codes.load_thresholds(ON, tmp_path)
    (tmp_path / "gate_threshold.csv").write_text(header + "a,many,percent,m,,,s,true\n")
    with pytest.raises(codes.SeedError, match="'many', which is no number"):
        codes.load_thresholds(ON, tmp_path)


def test_every_threshold_of_the_gate_is_a_seed_row():
    from neet.rules.gate_checks import load_gate

    known = codes.load_thresholds(ON)
    for check in load_gate("monthly_return").checks.values():
        assert set(check.thresholds) <= set(known), check.check_id
