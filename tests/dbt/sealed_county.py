"""A generated county with two sealed returns, and what a file of March says about January: for everything that is asked
of a finished warehouse, built once a session."""

from __future__ import annotations

import csv
from pathlib import Path

from county_rows import seal
from test_census import run_of

from neet.feeds import landing
from neet.publishing import publish
from neet.transform import build_census, build_live
from synthetic_county.generate import Config, generate

NEITHER_CHANGED = """
select january.young_persons_id from submitted.cohort_month as january
inner join submitted.cohort_month as february using (person_id)
where january.census_point = '2022-01' and february.census_point = '2022-02'
  and january.is_in_denominator and february.is_in_denominator
  and january.status_bucket = '{0}' and february.status_bucket = '{0}' order by 1
"""


class SealedCounty:
    """220 young people from December to February; the returns of January and February sealed; live built and published.

    Attributes:
        built: the warehouse.
        leaver: NEET in both returns; left on 20 January, as a file of 21 March says.
        found: in education in both returns; NEET since 10 January, and in care since 5 February, as two other files of
            that day say.
        lapsing: in education in both returns; its currency ran out on 10 February, as the same file says; lives in another
            district, as the file of the leaver says.
        file: of the leaver, who is on line 2.
    """

    def __init__(self, built, folder: Path):
        self.built = built
        generate(
            Config(people=220, seed=20_220_131, first_month="2021-12", last_month="2022-02", out=folder, truth_months="none")
        )  # fmt: skip
        schedule = list(csv.DictReader((folder / "schedule.csv").open()))
        self.exports = {
            row["file"]: folder / "exports" / row["deliver_on"] / row["file"] for row in schedule
        }
        last = {}
        for row in schedule:
            last[row["census_point"]] = self.receive(row["feed"], self.exports[row["file"]])
        for number, point in enumerate(("2022-01", "2022-02"), start=1):
            run = run_of(point, last[point])
            build_census(built.settings, built.dsn["builder"], run)
            seal(built.dsn["gate"], run, number)
        ((self.leaver,), *_) = built.rows(NEITHER_CHANGED.format("NEET"))
        ((self.found,), (self.lapsing,), *_) = built.rows(NEITHER_CHANGED.format("EET"))
        self.file = folder / "886_core_plus_people_delta_20220321.csv"
        leaver = self.newest("people", self.leaver) | {
            "CohortStatus": "T", "CohortStatusDate": "2022-01-20", "TransferredToLACode": "887", "LastUpdated": "2022-03-14",
        }  # fmt: skip
        emptied = dict.fromkeys(
            ("EndDate", "ReviewDate", "PredictedEndDate", "DueToLapseDate", "EstablishmentNumber", "EstablishmentName",
             "UKProviderReferenceNumber"), ""
        )  # fmt: skip
        found = self.newest("activities", self.found) | emptied | {
            "ActivityID": "LATE000001", "ActivityCode": "619", "StartDate": "2022-01-10", "NEETStartDate": "2022-01-10",
            "DateAscertained": "2022-03-14", "DateVerified": "2022-03-14", "LastUpdated": "2022-03-14",
        }  # fmt: skip
        lapsing = self.newest("activities", self.lapsing) | {"DueToLapseDate": "2022-02-10"}
        moved = self.newest("people", self.lapsing)
        moved["District"] = "E07000106" if moved["District"] != "E07000106" else "E07000108"
        activities = folder / "886_core_plus_activities_delta_20220321.csv"
        with self.exports["886_core_plus_characteristics_snapshot_20220131.csv"].open(
            encoding="utf-8-sig"
        ) as source:
            columns = next(csv.reader(source))
        characteristics = folder / "886_core_plus_characteristics_delta_20220321.csv"
        in_care = dict.fromkeys(columns, "") | {
            "YoungPersonsID": self.found, "CharacteristicCode": "110", "StartDate": "2022-02-05",
        }  # fmt: skip
        write(characteristics, [in_care])
        write(self.file, [leaver, moved])
        write(activities, [found, lapsing])
        self.receive("core_plus_people", self.file)
        self.receive("core_plus_activities", activities)
        self.receive("core_plus_characteristics", characteristics)
        build_live(built.settings, built.dsn["builder"])
        publish(built.settings, built.dsn["builder"])

    def receive(self, feed: str, file: Path) -> int:
        done = landing.receive(self.built.settings, self.built.dsn["loader"], feed, file)
        assert done.status == "accepted", done
        return done.delivery_seq

    def newest(self, entity: str, ypid: str) -> dict[str, str]:
        """The row of a person in January's snapshot; of activities the one that goes on."""
        file = self.exports[f"886_core_plus_{entity}_snapshot_20220131.csv"]
        with file.open(encoding="utf-8-sig") as source:
            rows = [row for row in csv.DictReader(source) if row["YoungPersonsID"] == ypid]
        return max(rows, key=lambda row: (not row.get("EndDate"), row.get("StartDate", "")))


def write(file: Path, rows: list[dict[str, str]]) -> None:
    """A delta file."""
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, [*rows[0], "Operation"])
        writer.writeheader()
        writer.writerows(row | {"Operation": "U"} for row in rows)
