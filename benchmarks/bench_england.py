"""England: the 151 authorities of a DfE scorecard, six months of Core+, built by the unchanged project on one machine.

Ours is :func:`neet.transform.build_live` on a warehouse of its own, at growing numbers of authorities (and, at one of
them, of months). The reference of a size is the size before it, grown in proportion: a ratio of 1 is linear growth.
What is asked is the exponent of that growth, and that it is at most :data:`BOUND`.

What is real and what is copied. Three authorities are made by the synthetic county, each at its own size in the
scorecard, and every file of theirs goes through landing. The others are copies: of each template's raw rows, as landing
left them, those of a share of its people that gives the authority its size, under the authority's code and with ids of
its own, in deliveries of its own that follow the template's. So whatever of a person changed from file to file changes
in the copy too; names, dates and schools are the template's. Each authority draws other people, none of them twice, but
England holds each drawn person about fifty times. Only Core+ is delivered, as only Core+ makes the cohort.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import math
import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.harness import ROOT, Bench, Figure, PeakMemory, seconds_of
from neet import database, transform
from neet.database import connect
from neet.feeds import landing
from neet.settings import ROLES, Settings

ONLY_WHEN_NAMED = True
"""Not one of those that `make bench` runs by itself: at its full size it takes hours of a small machine."""

SCORECARD = ROOT / "data" / "dfe_scorecard" / "neet_la_scorecard_2024.csv"
PEOPLE, COHORT = 52_000, 33_576
"""People of a county of the synthetic generator and the 16-17 cohort they make (like/kent-2022.yml)."""

TEMPLATES = {"886": "kent-2022", "825": "low-neet", "845": "coastal-high"}
"""Authorities that are delivered for real, and what they are like."""

COUNTIES = "E10"
"""Shire counties, by their ONS codes: copies of the template that has districts."""

FIRST_MONTH, LAST_MONTH = (
    "2021-11",
    "2022-03",
)  # the snapshot of the month before comes first: six month ends
FULL = 151
STEPS = ((10, (2,)), (10, (4,)), (10, (6,)), (38, (6,)), (FULL, (6,)))
"""Numbers of authorities, and after which months each is built. Every one on a database of its own: a second build finds
statistics, tidy tables and warm files that the first has paid for."""

BOUND = 1.1
YEARS = 6
FEEDS = ("core_plus_people", "core_plus_activities", "core_plus_characteristics", "core_plus_september_guarantee")  # fmt: skip
CODED = ("young_persons_id", "lead_lea", "educated_lea", "lea_code_at_year11", "lea_code", "school_of_origin",
         "establishment_number", "previous_ypid_identifier")  # fmt: skip
"""Columns that begin with the code of the authority, where they are its own."""

KEYED_BY_PERSON = ("core_plus_people", "core_plus_characteristics", "core_plus_september_guarantee")


@dataclass(frozen=True)
class Authority:
    """An authority of the scorecard.

    Attributes:
        cohort: its 16-17 year olds, the average of December to February.
        template: the authority whose people it is given; its own code for a template.
    """

    la_code: str
    ons_code: str
    cohort: float
    unknown_share: float
    template: str


@dataclass(frozen=True)
class Point:
    """One build.

    Attributes:
        people: people on Core+ in its last month.
        person_months: rows of ``fct_cohort_month``; ``cohort`` is the 16-17 cohort of the last month.
        seconds, processor_s: wall time, and processor time of the server and of Python together.
        server_mb: highest memory of all of PostgreSQL's processes, shared pages counted once.
        database_gb, disk_gb: size of the warehouse after the build; highest size of the server's folder during it,
            log and temporary files included.
        models: seconds of each model and test.
    """

    authorities: int
    months: int
    raw_rows: int
    people: int
    person_months: int
    cohort: int
    seconds: float
    processor_s: float
    python_mb: float
    server_mb: float
    database_gb: float
    disk_gb: float
    models: dict[str, float]

    @property
    def words(self) -> str:
        return (
            f"{self.authorities} authorities, {self.months} months: {self.people:,} people, 16-17 cohort {self.cohort:,}, "
            f"{self.raw_rows:,} raw rows, {self.person_months:,} person-months; {self.seconds:,.0f} s, "
            f"{self.processor_s:,.0f} s of processors, server {self.server_mb:,.0f} MB, Python {self.python_mb:,.0f} MB, "
            f"warehouse {self.database_gb:.1f} GB, disk {self.disk_gb:.1f} GB at its highest"
        )


def authorities(count: int | None = None) -> list[Authority]:
    """Those of the scorecard: the templates first, then by a hash of the code, so that any number of them is a mixture
    of large and small.

    Counties draw on the template with districts; of the rest the third with the lowest and the third with the highest
    share of NEET and not known draw on the templates that are like that, if these are large enough.
    """
    with SCORECARD.open(encoding="utf-8-sig", newline="") as lines:
        rows = [
            row for row in csv.DictReader(lines) if row["geographic_level"] == "Local authority"
        ]
    cohort = {row["old_la_code"]: float(row["Cohort_DJFavg"]) for row in rows}
    shares = sorted(float(row["NEET_not_known_percent"]) for row in rows)
    low, high = shares[len(shares) // 3], shares[2 * len(shares) // 3]
    kent, calm, coast = TEMPLATES
    found = []
    for row in rows:
        la_code, share = row["old_la_code"], float(row["NEET_not_known_percent"])
        like = calm if share < low else coast if share > high else kent
        if row["new_la_code"].startswith(COUNTIES) or cohort[la_code] > cohort[like]:
            like = kent
        if la_code in TEMPLATES:
            like = la_code
        found.append(Authority(la_code, row["new_la_code"], cohort[la_code], share, like))
    return sorted(
        found,
        key=lambda one: (one.la_code not in TEMPLATES, hashlib.sha256(one.la_code.encode()).hexdigest()),
    )[:count]  # fmt: skip


def county(folder: Path, authority: Authority, people: int, seed: int) -> Path:
    """A template's exports, made once: its files by day, and ``schedule.csv``."""
    from synthetic_county import Config, generate

    size = max(60, round(people * authority.cohort / COHORT))
    out = folder / f"england-{authority.la_code}-{size}-{seed}"
    if not (out / "schedule.csv").exists():
        generate(
            Config(
                people=size, seed=seed, la_code=authority.la_code, parameters=TEMPLATES[authority.la_code],
                first_month=FIRST_MONTH, last_month=LAST_MONTH, defects="none", truth_months="none", out=out, overwrite=True,
            )
        )  # fmt: skip
    return out


class Watch:
    """Memory of a server's processes and size of its folder while a block runs, sampled."""

    def __init__(self, data: Path, every: float = 0.5) -> None:
        self.data, self.every = data, every
        self.mb = self.disk_gb = self.processor_s = 0.0

    def __enter__(self) -> Watch:
        self._before = self._processor_s()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.disk_gb = max(self.disk_gb, self._folder_gb())
        self.processor_s = self._processor_s() - self._before

    def _watch(self) -> None:
        turn = 0
        while not self._stop.wait(self.every):
            self.mb = max(self.mb, self._server_mb())
            if turn % 20 == 0:
                self.disk_gb = max(self.disk_gb, self._folder_gb())
            turn += 1

    def _server_mb(self) -> float:
        """Proportional set size of the postmaster and all its children."""
        postmaster = (self.data / "postmaster.pid").read_text().split()[0]
        total = 0
        for process in [postmaster, *_children(postmaster)]:
            try:
                lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            except OSError:  # it has ended meanwhile
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1e3

    def _processor_s(self) -> float:
        """Processor seconds of the server since it was started: its own, its children's, those that have ended included."""
        postmaster = (self.data / "postmaster.pid").read_text().split()[0]
        ticks = sum(_ticks(postmaster, 4)) + sum(
            sum(_ticks(one, 2)) for one in _children(postmaster)
        )
        return ticks / os.sysconf("SC_CLK_TCK")

    def _folder_gb(self) -> float:
        total = 0
        for file in self.data.rglob("*"):
            try:
                status = file.lstat()
            except OSError:
                continue
            total += status.st_blocks * 512
        return total / 1e9


def _ticks(process: str, count: int) -> list[int]:
    """Clock ticks of a process: user, system, and of the children it has waited for, user, system."""
    try:
        after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return list(map(int, after_name[11 : 11 + count]))


def _children(process: str) -> list[str]:
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += task.read_text().split()
        except OSError:
            continue
    return found


class England:
    """A warehouse that authorities deliver to, month by month.

    Args:
        people: people of a county with Kent's cohort of 2022 (:data:`COHORT`); 52,000 is England's own size.
        count: of authorities.
    """

    def __init__(
        self, settings: Settings, dsn: dict[str, str], folder: Path, people: int, count: int, seed: int = 7
    ) -> None:  # fmt: skip
        self.settings, self.dsn = settings, dsn
        self.people = people
        self.authorities = authorities(count)
        self.schedule: list[tuple[str, Authority, dict, Path]] = []
        for authority in self.authorities:
            if authority.la_code in TEMPLATES:
                made = county(folder, authority, people, seed)
                with (made / "schedule.csv").open(encoding="utf-8", newline="") as lines:
                    for row in csv.DictReader(lines):
                        self.schedule.append(
                            (row["deliver_on"], authority, row, made / "exports" / row["deliver_on"] / row["file"])
                        )  # fmt: skip
        self.schedule.sort(key=lambda one: (one[0], int(one[2]["delivery_order"])))
        self._size: dict[str, int] = {}

    def month_ends(self) -> list[str]:
        """The days on which the snapshot of each month is delivered."""
        return sorted({day for day, _, row, _ in self.schedule if row["mode"] == "snapshot"})

    def deliver(self, after: str | None, until: str) -> int:
        """Everything that is due after a day and until another, itself included; returns the deliveries accepted."""
        days = sorted({day for day, *_ in self.schedule if (after or "") < day <= until})
        for day in days:
            landed = [self._receive(*one[1:]) for one in self.schedule if one[0] == day]
            with connect(self.dsn["owner"]) as connection:
                connection.execute("set synchronous_commit = off")
                connection.execute("set work_mem = '128MB'")
                self._copy(connection, landed)
        with connect(self.dsn["owner"], autocommit=True) as connection:
            for feed in FEEDS:
                connection.execute(f"vacuum (analyze) raw.{feed}")
            connection.execute("analyze control.delivery")
        return len(days)

    def _receive(self, authority: Authority, row: dict, file: Path) -> int:
        settings = dataclasses.replace(self.settings, la_code=authority.la_code)
        result = landing.receive(settings, self.dsn["loader"], row["feed"], file)
        if result.status != "accepted":
            raise RuntimeError(f"{file.name} is {result.status}: {result.reason}")
        return result.delivery_seq

    def _copy(self, connection: psycopg.Connection, landed: Sequence[int]) -> None:
        """The same deliveries of every other authority, in the templates' order."""
        targets = [one for one in self.authorities if one.la_code not in TEMPLATES]
        if not targets:
            return
        connection.execute(
            """create temporary table target (
                 la_code text, template text, district text, share float) on commit drop"""
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into target values (%s, %s, %s, %s)",
                [
                    (
                        one.la_code, one.template, None if one.ons_code.startswith(COUNTIES) else one.ons_code,
                        min(1.0, one.cohort * self.people / PEOPLE / self._cohort(connection, one.template)),
                    )
                    for one in targets
                ],
            )  # fmt: skip
        connection.execute(
            """create temporary table followed on commit drop as
               select target.*, given.delivery_seq as template_seq, given.feed,
                 last.seq + row_number() over (order by given.delivery_seq, target.la_code) as delivery_seq
               from target
               inner join control.delivery as given
                 on given.la_code = target.template and given.delivery_seq = any(%s)
               cross join (select max(delivery_seq) as seq from control.delivery) as last""",
            [list(landed)],
        )
        connection.execute("analyze followed")
        for feed in FEEDS:
            self._copy_rows(connection, feed, landed)
        connection.execute(
            """insert into control.delivery (
                 delivery_id, la_code, feed, provider, period, as_at, mode, file_name, file_sha256, file_bytes, landing_path,
                 received_at, status, accepted_at, delivery_seq, contract_version, rows_in, rows_loaded, rows_unchanged,
                 rows_rejected, rows_closed)
               select given.delivery_id || '-' || followed.la_code, followed.la_code, given.feed,
                 replace(given.provider, followed.template, followed.la_code), given.period, given.as_at, given.mode,
                 replace(given.file_name, followed.template, followed.la_code), given.file_sha256, given.file_bytes,
                 given.landing_path || '-' || followed.la_code, given.received_at, 'accepted',
                 last.accepted_at + row_number() over (order by followed.delivery_seq) * interval '1 microsecond',
                 followed.delivery_seq, given.contract_version, coalesce(came.loaded, 0) + given.rows_unchanged,
                 coalesce(came.loaded, 0), given.rows_unchanged, 0, coalesce(came.closed, 0)
               from followed
               inner join control.delivery as given on given.delivery_seq = followed.template_seq
               left join came on came.delivery_seq = followed.delivery_seq
               cross join (select max(accepted_at) as accepted_at from control.delivery) as last"""
        )
        connection.execute("drop table came")

    def _copy_rows(self, connection: psycopg.Connection, feed: str, landed: Sequence[int]) -> None:
        columns = [
            name
            for (name,) in connection.execute(
                """select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped
                   order by attnum""",
                [f"raw.{feed}"],
            )
        ]
        own = "case when given.{0} like followed.template || '%%' then followed.la_code || substr(given.{0}, 4) else given.{0} end"
        says = {
            "la_code": "followed.la_code",
            "provider": "replace(given.provider, followed.template, followed.la_code)",
            "delivery_seq": "followed.delivery_seq",
            "district_code": "coalesce(followed.district, given.district_code)",
        } | {name: own.format(name) for name in CODED}
        if feed in KEYED_BY_PERSON:
            says["row_key"] = own.format("row_key")
        connection.execute(
            f"""insert into raw.{feed} ({", ".join(columns)})
                select {", ".join(says.get(name, f"given.{name}") for name in columns)}
                from followed
                inner join raw.{feed} as given
                  on given.la_code = followed.template and given.delivery_seq = followed.template_seq
                where given.delivery_seq = any(%s) and followed.feed = '{feed}'
                  and (hashtext(followed.la_code || given.young_persons_id) + 2147483648) / 4294967296.0
                    < followed.share
                order by followed.la_code, given.row_key""",
            [list(landed)],
        )
        counted = f"""select delivery_seq, count(line_number) as loaded, count(*) - count(line_number) as closed
                      from raw.{feed} where delivery_seq > (select max(delivery_seq) from control.delivery)
                      group by delivery_seq"""
        if feed == FEEDS[0]:
            connection.execute(f"create temporary table came as {counted}")
        else:
            connection.execute(f"insert into came {counted}")

    def _cohort(self, connection: psycopg.Connection, template: str) -> int:
        """How many 16-17 year olds a template's first extract holds, about: two years of birth that it leads for."""
        if template not in self._size:
            (self._size[template],) = connection.execute(
                """select count(*) from raw.core_plus_people
                   where la_code = %s and lead_lea = %s and cohort_status = 'P' and dob >= '2003-09-01' and dob < '2005-09-01'
                     and delivery_seq = (select min(delivery_seq) from raw.core_plus_people where la_code = %s)""",
                [template] * 3,
            ).fetchone()
        return self._size[template]

    def build(self, data: Path, months: int) -> Point:
        """A full live build, measured."""
        python = time.process_time()
        with Watch(data) as watch, PeakMemory() as peak:
            seconds = seconds_of(
                lambda: transform.build_live(self.settings, self.dsn["builder"], full_refresh=True)
            )
        python = time.process_time() - python
        with connect(self.dsn["builder"]) as connection:

            def value(query: str):
                return connection.execute(query).fetchone()[0]

            layers = value(
                "select detail->'layers' from control.build order by build_id desc limit 1"
            )
            return Point(
                authorities=len(self.authorities),
                months=months,
                raw_rows=sum(value(f"select count(*) from raw.{feed}") for feed in FEEDS),
                people=value("select count(*) from intermediate.int_young_person"),
                person_months=value("select count(*) from marts_neet.fct_cohort_month"),
                cohort=value(
                    """select count(*) from marts_neet.fct_cohort_month where is_in_denominator
                       and month_end = (select max(month_end) from marts_neet.fct_cohort_month)"""
                ),
                seconds=seconds,
                processor_s=watch.processor_s + python,
                python_mb=peak.mb,
                server_mb=watch.mb,
                database_gb=value("select pg_database_size(current_database())") / 1e9,
                disk_gb=watch.disk_gb,
                models={
                    name: took for layer in layers.values() for name, (_, took) in layer.items()
                },
            )


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Slope of the straight line through (log size, log cost): 1 is linear, 2 quadratic."""
    return statistics.linear_regression(
        [math.log(size) for size, _ in points], [math.log(cost) for _, cost in points]
    ).slope


def measure(bench: Bench, people: int, steps: Sequence[tuple[int, tuple[int, ...]]] = STEPS) -> Iterator[Figure]:  # fmt: skip
    """Builds of every step, each on a new database that is dropped after it.

    Raises:
        AssertionError: the growth over the authorities has a larger exponent than :data:`BOUND`.
    """
    stack = bench.stack
    stack.database_up()
    made = stack.installation()
    data = stack.settings.home / "postgres"
    points: list[Point] = []
    for count, months in steps:
        name = f"england_{count}_{len(points)}"
        settings = dataclasses.replace(stack.settings, home=stack.settings.home / name)
        settings.home.mkdir()
        database.create_roles(stack.server.admin_dsn, name, made["role_passwords"])
        with connect(stack.server.admin_dsn, autocommit=True) as admin:
            admin.execute(f"grant create, temporary on database {name} to neet_builder")
        dsn = {
            role: stack.server.role_dsn(f"neet_{role}", made["role_passwords"][role], name)
            for role in ROLES
        }
        database.migrate(dsn["owner"])
        england = England(settings, dsn, bench.folder, people, count, bench.seed)
        done, after = 0, None
        for upto in months:
            ends = england.month_ends()[done:upto]
            started = time.perf_counter()
            for end in ends:
                england.deliver(after, end)
                after = end
            done = upto
            print(f"delivered {count} authorities up to month {upto} in {time.perf_counter() - started:,.0f} s", flush=True)  # fmt: skip
            if upto == months[0]:
                # Parses the project and loads the seeds, once in an installation's life.
                transform.build_live(settings, dsn["builder"], layer="seeds")
            points.append(england.build(data, upto))
            print(points[-1].words, flush=True)
            print(_slowest(points[-1]), flush=True)
        with connect(stack.server.admin_dsn, autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")
            admin.execute("checkpoint")
        shutil.rmtree(settings.home, ignore_errors=True)
    yield from figures(points)


def _slowest(point: Point) -> str:
    slowest = sorted(point.models.items(), key=lambda one: -one[1])[:12]
    return "  slowest: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in slowest)


def figures(points: Sequence[Point]) -> Iterator[Figure]:
    """The figures of a run, its exponents printed.

    Raises:
        AssertionError: see :func:`measure`.
    """
    grown = [point for point in points if point.months == max(one.months for one in points)]
    before: Point | None = None
    broken = None
    for point in grown:
        proportional = before.seconds * point.people / before.people if before else None
        yield Figure(
            "england_build", point.people, "people", point.seconds, proportional, point.python_mb,
            point.words + ("; reference: the size before it, grown in proportion" if before else ""),
        )  # fmt: skip
        before = point
    if len(grown) > 1:
        wall, work, memory, disk = (
            exponent([(point.people, cost(point)) for point in grown])
            for cost in (
                lambda point: point.seconds, lambda point: point.processor_s, lambda point: point.server_mb,
                lambda point: point.database_gb,
            )
        )  # fmt: skip
        words = (
            f"growth over {len(grown)} sizes, {grown[0].people:,} to {grown[-1].people:,} people: exponent {wall:.2f} of "
            f"seconds, {work:.2f} of processor seconds (bound {BOUND}), {memory:.2f} of the server's memory, "
            f"{disk:.2f} of the warehouse's size"
        )
        print(words, flush=True)
        for name, steep in _steep(grown):
            print(f"  {name}: exponent {steep:.2f}, {grown[-1].models[name]:.0f} s", flush=True)
        yield Figure("england_growth", grown[-1].people, "people", grown[-1].seconds, None, None, words)  # fmt: skip
        if max(wall, work) > BOUND:
            broken = f"cost grows with people to the power {max(wall, work):.2f}, more than {BOUND}: {words}"
    of_months = [
        point for point in points if sum(one.authorities == point.authorities for one in points) > 1
    ]
    for point in of_months:
        yield Figure(
            f"england_months_{point.months}", point.people, "people", point.seconds, None, point.python_mb, point.words
        )  # fmt: skip
    if of_months:
        yield from extrapolation(of_months, grown[-1])
    if broken:
        raise AssertionError(broken)


def _steep(grown: Sequence[Point]) -> list[tuple[str, float]]:
    """Models that grow faster than people and take a hundredth of the largest build or more."""
    largest = grown[-1]
    found = [
        (name, exponent([(point.people, max(point.models.get(name, 0.01), 0.01)) for point in grown]))
        for name, seconds in largest.models.items()
        if seconds > largest.seconds / 100
    ]  # fmt: skip
    return sorted((one for one in found if one[1] > BOUND), key=lambda one: -one[1])


def extrapolation(of_months: Sequence[Point], largest: Point) -> Iterator[Figure]:
    """What six years would cost: the largest build, grown with months as the months measured grew.

    An extrapolation, not a measurement: it takes for granted that costs go on growing by the months as they did from the
    first to the last month measured, that people come and go as in those months, and that nothing meets a limit in
    between (a hash that no longer fits its memory, a disk that is full).
    """
    months = YEARS * 12

    def at_the_end(cost, grows: str) -> float:
        if grows == "line":  # what a month adds, added for each month more
            slope = statistics.linear_regression([p.months for p in of_months], [cost(p) for p in of_months]).slope  # fmt: skip
            return cost(largest) + slope * largest.people / of_months[-1].people * (months - largest.months)  # fmt: skip
        return cost(largest) * (months / largest.months) ** exponent([(p.months, cost(p)) for p in of_months])  # fmt: skip

    seconds = [at_the_end(lambda point: point.processor_s, grows) for grows in ("line", "power")]
    gigabytes = [at_the_end(lambda point: point.disk_gb, grows) for grows in ("line", "power")]
    slope = exponent([(point.months, point.processor_s) for point in of_months])
    words = (
        f"extrapolated, not measured: {largest.authorities} authorities over {months} months take "
        f"{min(seconds) / 3600:.1f} to {max(seconds) / 3600:.1f} hours of one processor and {min(gigabytes):.0f} to {max(gigabytes):.0f} GB; "
        f"exponent over months {slope:.2f}; straight line and power law through "
        f"{', '.join(str(point.months) for point in of_months)} months of {of_months[0].authorities} authorities"
    )
    print(words, flush=True)
    yield Figure("england_six_years_extrapolated", largest.people, "people", max(seconds), None, None, words)  # fmt: skip
