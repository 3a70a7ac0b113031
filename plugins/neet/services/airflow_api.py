"""The few calls of Airflow's public REST API that the command needs, over httpx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

RETRIES = 3


class AirflowError(RuntimeError):
    """Airflow refused a call or does not answer."""


class AirflowApi:
    """A logged-in client.

    Args:
        url: of the API server, without ``/api/v2``.
        user, password: an account of the simple auth manager.
    Raises:
        AirflowError: the server does not answer or refuses the account.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._client = httpx.Client(
            base_url=url, timeout=30, transport=httpx.HTTPTransport(retries=RETRIES)
        )
        token = self._request("POST", "/auth/token", json={"username": user, "password": password})
        self._client.headers["Authorization"] = f"Bearer {token['access_token']}"

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise AirflowError(
                f"Airflow does not answer at {self._client.base_url} ({error}). Is it up? `./neet status` tells; "
                "`./neet up` starts it."
            ) from error
        if answer.status_code >= 400:
            detail = answer.text[:800]
            raise AirflowError(
                f"Airflow answered {answer.status_code} to {method} {path}: {detail}"
            )
        return answer.json() if answer.content else None

    def dag_ready(self, dag_id: str, even_paused: bool = False) -> bool:
        """Whether the DAG processor has read this DAG and it is not paused (or may be)."""
        try:
            dag = self._request("GET", f"/api/v2/dags/{dag_id}")
        except AirflowError as error:
            if "answered 404" in str(error):
                return False
            raise
        return (even_paused or not dag["is_paused"]) and not dag["is_stale"]

    def pause(self, dag_id: str, is_paused: bool) -> None:
        """Stop a DAG from starting runs of its own, or let it again; what waits meanwhile is kept."""
        self._request("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": is_paused})

    def import_errors(self) -> list[str]:
        """File and last line of the trace of every DAG file that would not load."""
        errors = self._request("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors]

    def trigger(self, dag_id: str, conf: dict, partition_key: str | None = None) -> str:
        """Start a manual run; returns its id."""
        body: dict[str, Any] = {"logical_date": None, "conf": conf}
        if partition_key:
            body["partition_key"] = partition_key
        return self._request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]

    def backfill(self, dag_id: str, first: str, last: str, conf: dict | None = None) -> int:
        """Create a backfill over partition dates ``first`` to ``last`` (ISO dates, both included); runs that
        ended are run again. Returns the backfill's id."""
        self.close_backfills(dag_id)
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "reprocess_behavior": "completed",
            "max_active_runs": 1,
            "dag_run_conf": conf or {},
        }
        return self._request("POST", "/api/v2/backfills", json=body)["id"]

    def close_backfills(self, dag_id: str) -> None:
        """Close the backfills of a DAG whose runs have all ended.

        Airflow does so itself every half minute or so, and refuses a new backfill (409) until it has.
        """
        found = self._request("GET", "/api/v2/backfills", params={"dag_id": dag_id, "limit": 100})
        unfinished = [b for b in found["backfills"] if b["completed_at"] is None]
        if unfinished and not any(self.runs(dag_id, state=s) for s in ("queued", "running")):
            for backfill in unfinished:
                self._request("PUT", f"/api/v2/backfills/{backfill['id']}/cancel")

    def runs(self, dag_id: str, **filters: Any) -> list[dict]:
        """The newest runs of a DAG first; filters as the API names them (``state``, ``run_type``)."""
        found = self._request(
            "GET",
            f"/api/v2/dags/{dag_id}/dagRuns",
            params={"order_by": "-id", "limit": 100} | filters,
        )
        return found["dag_runs"]

    def run(self, dag_id: str, run_id: str) -> dict:
        return self._request("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")

    def tasks(self, dag_id: str, run_id: str) -> Iterator[dict]:
        """Task instances of a run."""
        yield from self._request(
            "GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 200}
        )["task_instances"]

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task returned."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self._request("GET", path, params={"stringify": False})["value"]

    def log_tail(
        self, dag_id: str, run_id: str, task_id: str, attempt: int, lines: int = 12
    ) -> str:
        """The last error lines of a task's log, for a person."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        content = self._request("GET", path, params={"full_content": True})["content"]
        events = []
        for entry in content:
            if isinstance(entry, str):
                events.append(entry)
                continue
            details = entry.get("error_detail") or []
            said = [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in details]
            if entry.get("level") in ("error", "critical"):
                events.append(" ".join([entry.get("event", ""), *said]))
        return "\n".join(events[-lines:])

    def questions(self, dag_id: str, run_id: str) -> list[dict]:
        """Sign-offs of a run that wait for an answer."""
        found = self._request(
            "GET",
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/hitlDetails",
            params={"response_received": False},
        )
        return [q for q in found["hitl_details"] if not q["response_received"]]

    def answer(self, question: dict, option: str, params: dict) -> dict:
        """Answer a sign-off with one of its options and its form's fields."""
        task = question["task_instance"]
        path = (
            f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}"
            f"/taskInstances/{task['task_id']}/{task['map_index']}/hitlDetails"
        )
        return self._request(
            "PATCH", path, json={"chosen_options": [option], "params_input": params}
        )
