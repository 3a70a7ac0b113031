"""Takes a census point through Airflow from the command line: start or find the run, follow it, answer its sign-off."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from neet import calendar
from neet.census import CensusRun
from neet.database import connect
from neet.services.airflow_api import AirflowApi, AirflowError
from neet.services.stack import Stack, StackError

DAG = "monthly_return"
ENDED = ("success", "failed")
APPROVE, REJECT = "Approve", "Reject"
POLL_SECONDS = 0.5
# Airflow 3.3 can lose an answer given in the first second of the wait (it sees a finished task that it has
# not yet seen waiting): a machine is that quick, a person is not.
SETTLED = dt.timedelta(seconds=3)


class NoSuchPoint(ValueError):
    """The census point is not in the loaded calendar."""


class CensusError(RuntimeError):
    """The run failed for a reason that is not the gate's: the message names the task and its log."""


@dataclass
class Ended:
    """How a run stands when the command returns.

    Attributes:
        outcome: ``sealed``, ``waiting`` (for a signature), ``blocked`` or ``refused``.
        data: for machines.
        lines: for people.
    """

    outcome: str
    data: dict[str, Any]
    lines: list[str] = field(default_factory=list)


def client(stack: Stack) -> AirflowApi:
    """The command's own account on the running Airflow.

    Raises:
        StackError: the services are not up.
    """
    if stack.states().get("api-server") != "RUNNING":
        raise StackError("Airflow is not running. Start it with `./neet up`.")
    return AirflowApi(stack.api_url, "neet_cli", stack.installation()["airflow_users"]["neet_cli"])


def wait_for_dag(
    api: AirflowApi, dag_id: str, seconds: float = 120, even_paused: bool = False
) -> None:
    """Wait until the DAG processor has read a DAG.

    Args:
        even_paused: a DAG that starts no runs will do.
    Raises:
        CensusError: it has not within ``seconds``, or it is paused; the message holds the import errors.
    """
    deadline = time.monotonic() + seconds
    while not api.dag_ready(dag_id, even_paused):
        if not even_paused and api.dag_ready(dag_id, even_paused=True):
            raise CensusError(
                f"The DAG {dag_id} is paused, so none of its runs would start. Unpause it in Airflow."
            )
        if time.monotonic() > deadline:
            errors = "\n".join(api.import_errors()) or "no import error is known"
            raise CensusError(f"Airflow has no usable DAG {dag_id} after {seconds:.0f} s: {errors}")
        time.sleep(1)


def wait_for_run(api: AirflowApi, dag_id: str, run_id: str, seconds: float = 600) -> str:
    """Wait for the end of a run; returns its state.

    Raises:
        CensusError: it has not ended within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while (state := api.run(dag_id, run_id)["state"]) not in ENDED:
        if time.monotonic() > deadline:
            raise CensusError(f"{run_id} of {dag_id} has not ended after {seconds:.0f} s.")
        time.sleep(POLL_SECONDS)
    return state


def take(
    stack: Stack,
    point: str,
    answer: str | None,
    by: str | None,
    reason: str,
    known: dict[str, Any],
    say: Callable[[str], None],
    backfill: bool = False,
    on_resolved: Callable[[], None] | None = None,
) -> Ended:
    """Bring a census point as far as it will go.

    A run of the point that waits for its sign-off is found and answered; otherwise a new one starts.

    Args:
        answer: ``sign``, ``refuse`` or ``None`` to stop at the sign-off.
        by: on whose behalf the answer is given; Airflow records its own account beside it.
        known: ``known_seq`` and ``known_at`` of the run, either or both ``None``.
        backfill: start the run as a backfill of the point instead of a manual one.
        on_resolved: called once, when the run has fixed what it sees: what is delivered from then on is not in it.
    Raises:
        NoSuchPoint, CensusError, AirflowError, StackError
    """
    settings = stack.settings
    try:
        row = calendar.census_point(settings.la_code, point)
    except (calendar.CalendarEnd, ValueError) as error:
        raise NoSuchPoint(str(error)) from error
    api = client(stack)
    wait_for_dag(api, DAG)
    conf = {key: value for key, value in known.items() if value is not None}
    run_id = _unfinished(api, point)
    if run_id:
        say(f"Found the run of {point} that has not ended: {run_id}")
    elif backfill:
        partition_date = row.period_end.replace(day=1).isoformat()
        last = api.runs(DAG, limit=1)
        before = {r["dag_run_id"]: r["queued_at"] for r in last}
        api.backfill(DAG, partition_date, partition_date, conf)
        run_id = _wait_for_backfilled(api, point, before)
    else:
        run_id = api.trigger(DAG, conf, partition_key=point)
    return _follow(stack, api, point, run_id, answer, by, reason, say, on_resolved)


def _unfinished(api: AirflowApi, point: str) -> str | None:
    for state in ("running", "queued"):
        for run in api.runs(DAG, state=state):
            if run["partition_key"] == point:
                return run["dag_run_id"]
    return None


def _wait_for_backfilled(api: AirflowApi, point: str, before: dict[str, str]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for run in api.runs(DAG, run_type="backfill"):
            fresh = before.get(run["dag_run_id"]) != run["queued_at"]
            if run["partition_key"] == point and (fresh or run["state"] not in ENDED):
                return run["dag_run_id"]
        time.sleep(POLL_SECONDS)
    raise CensusError(f"Airflow accepted the backfill of {point} but created no run for it.")


def _follow(
    stack: Stack,
    api: AirflowApi,
    point: str,
    run_id: str,
    answer: str | None,
    by: str | None,
    reason: str,
    say: Callable[[str], None],
    on_resolved: Callable[[], None] | None,
) -> Ended:
    seen: dict[str, str] = {}
    while True:
        run = api.run(DAG, run_id)
        for task in api.tasks(DAG, run_id):
            state = task["state"]
            if state and seen.get(task["task_id"]) != state:
                seen[task["task_id"]] = state
                if state in ("success", "failed", "skipped", "up_for_retry"):
                    seconds = f" {task['duration']:.0f} s" if task["duration"] else ""
                    say(f"  {point} {task['task_id']}: {state}{seconds}")
                if on_resolved and (task["task_id"], state) == ("resolve", "success"):
                    on_resolved()
        if run["state"] in ENDED:
            return _ended(stack, api, point, run_id, run["state"])
        # An answer that Airflow loses is asked for again: whatever is open is answered until the run ends.
        questions = api.questions(DAG, run_id)
        if questions:
            question = questions[0]
            if answer is None:
                return _waiting(stack, point, question)
            # Asked again, a question keeps the time it was first asked.
            times = (question["created_at"], question["task_instance"].get("start_date"))
            asked_at = max(dt.datetime.fromisoformat(text) for text in times if text)
            if dt.datetime.now(dt.UTC) - asked_at < SETTLED:
                time.sleep(POLL_SECONDS)
                continue
            option = APPROVE if answer == "sign" else REJECT
            say(f"  {point} sign-off: {option} through the API, on behalf of {by}")
            # The first field names a person; Airflow records the answering account by itself.
            try:
                api.answer(question, option, {"signed_by": by, "reason": reason or "checked"})
            except AirflowError as error:
                if "answered 409" not in str(error):  # somebody else answered first
                    raise
        _check_alive(stack)
        time.sleep(POLL_SECONDS)


def _check_alive(stack: Stack) -> None:
    dead = [name for name, state in stack.states().items() if state == "FATAL"]
    if dead:
        raise StackError(
            f"{', '.join(dead)} stopped and will not restart: see {stack.settings.logs}/{dead[0]}.log, then `./neet up`."
        )


def _waiting(stack: Stack, point: str, question: dict) -> Ended:
    task = question["task_instance"]
    url = f"{stack.api_url}/dags/{task['dag_id']}/runs/{task['dag_run_id']}/tasks/{task['task_id']}/required_actions"
    return Ended(
        "waiting",
        {"outcome": "waiting", "census_point": point, "run": task["dag_run_id"], "url": url,
         "subject": question["subject"], "body": question["body"]},
        [question["subject"], "", question["body"] or "", "",
         f"Waiting for a signature. Answer at {url}",
         f'or: ./neet census {point} --sign --by "NAME"   (or --refuse --by "NAME" --reason "...")'],
    )  # fmt: skip


def _ended(stack: Stack, api: AirflowApi, point: str, run_id: str, state: str) -> Ended:
    """What the run decided, read from the warehouse: Airflow's colour alone does not tell."""
    tasks = {task["task_id"]: task for task in api.tasks(DAG, run_id)}
    failed = [task for task in tasks.values() if task["state"] == "failed"]
    data = {"census_point": point, "run": run_id, "outcome": None}
    if tasks["conclude"]["state"] == "success":  # green means sealed: dags/monthly_return.py
        sealed = api.xcom(DAG, run_id, "conclude")
        package = str(stack.settings.home / sealed["package_path"])
        again = " already, with these very bytes" if sealed["already_sealed"] else ""
        data |= {"outcome": "sealed", "submission_id": sealed["submission_id"], "package": package,
                 "payload_sha256": sealed["payload_sha256"], "already_sealed": sealed["already_sealed"]}  # fmt: skip
        return Ended(
            "sealed",
            data,
            [f"{point} is sealed{again}.", f"Package: {package}",
             f"Payload: sha256 {sealed['payload_sha256']}"],
        )  # fmt: skip
    decision = None
    if tasks["resolve"]["state"] == "success":
        census = CensusRun.from_json(api.xcom(DAG, run_id, "resolve"))
        with connect(stack.settings.dsn("auditor")) as connection:
            decision = connection.execute(
                """select outcome, decided_by, reason from assurance.gate_decision
                   where run_id = %s order by delivery_seq desc limit 1""",
                [census.run_id],
            ).fetchone()
    outcome = data["outcome"] = decision[0] if decision else None
    if outcome == "refused":
        data["reason"] = decision[2]
        return Ended("refused", data, [f"{point} was refused by {decision[1]}: {decision[2]}"])
    if outcome == "blocked":
        data["reason"] = decision[2]
        return Ended("blocked", data, [f"The gate blocks {point}.", decision[2]])
    words = [f"The run of {point} ended as {state} ({run_id})."]
    for task in failed:
        words.append(f"Task {task['task_id']} failed:")
        words.append(api.log_tail(DAG, run_id, task["task_id"], task["try_number"]))
    raise CensusError("\n".join(words))
