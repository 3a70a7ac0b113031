"""The steps of a census point, from its known time to the recorded answer of a person.

Every step takes the :class:`neet.census.CensusRun` that the first one resolved, as JSON, so that all of them see the
same deliveries.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Context, Param
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from operators.warehouse import WarehouseOperator, dsn_of, final


class ResolveCensusOperator(WarehouseOperator):
    """Fixes the census point and the known time of a run, once; returns the run as JSON.

    The point is the partition key. The parameters ``known_seq`` and ``known_at`` choose an earlier known time.
    """

    def execute(self, context: Context) -> str:
        from neet import census
        from neet.calendar import CalendarBroken, CalendarEnd

        point = context["dag_run"].partition_key
        if not point:
            raise AirflowFailException(
                "This run has no census point. Trigger the DAG again with a partition key, for example 2021-12, or run "
                "`./neet census 2021-12`."
            )
        parameters = context["params"]
        known_at = parameters["known_at"]
        with final(ValueError, CalendarEnd, CalendarBroken, census.NothingKnown):
            run = census.resolve(
                self.settings,
                self.dsn,
                parameters["la_code"],
                point,
                parameters["known_seq"],
                _moment(known_at) if known_at else None,
            )
        self.log.info(
            "Census point %s of %s as known at delivery %s, accepted %s; run %s",
            run.census_point, run.la_code, run.known_seq, run.known_at, run.run_id,
        )  # fmt: skip
        return run.to_json()


def _moment(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"known_at={text!r} is no moment: write it as 2022-01-13T07:00:00+00:00 (UTC without an offset)."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


class CensusStepOperator(WarehouseOperator):
    """A step after the first.

    Args:
        run: the census run as JSON: the output of :class:`ResolveCensusOperator`.
    """

    template_fields: Sequence[str] = ("run_json",)

    def __init__(self, *, run: Any, **kwargs) -> None:
        super().__init__(**kwargs)
        self.run_json = run

    @property
    def census_run(self):
        from neet.census import CensusRun

        return CensusRun.from_json(self.run_json)


class BuildCensusOperator(CensusStepOperator):
    """Builds the return and its measures in the run's own schema."""

    def execute(self, context: Context) -> dict[str, Any]:
        from neet import transform

        with final(transform.BuildFailed):
            build = transform.build_census(self.settings, self.dsn, self.census_run)
        self.log.info("Schema %s: %s s, %s", build.schema_name, build.seconds, build.nodes)
        return {"build_id": build.build_id, "seconds": build.seconds, "nodes": build.nodes}


class CheckReturnOperator(CensusStepOperator):
    """Judges the return and records the gate's decision; green whether it passed or not."""

    def execute(self, context: Context) -> dict[str, Any]:
        from neet import gate

        outcome = gate.check(self.settings, self.dsn, self.census_run)
        for line in outcome.summary.splitlines():
            self.log.info("%s", line)
        return {
            "decision_id": outcome.decision_id,
            "outcome": outcome.outcome,
            "summary": outcome.summary,
            "data_docs_index": str(outcome.data_docs_index),
        }


class DecideOperator(CensusStepOperator):
    """Stops a blocked return, with the gate's words; the decision itself is on record already.

    Args:
        gate: what :class:`CheckReturnOperator` returned.
    """

    template_fields: Sequence[str] = ("run_json", "gate")

    def __init__(self, *, gate: Any, **kwargs) -> None:
        super().__init__(**kwargs)
        self.gate = gate

    def execute(self, context: Context) -> str:
        run = self.census_run
        if self.gate["outcome"] != "passed":
            raise AirflowFailException(
                f"BLOCKED: the return of {run.census_point} may not be signed. Recorded as decision "
                f"{self.gate['decision_id']}.\n{self.gate['summary']}\n"
                f"Each failing check names its owner and how to mend it. Mend it in Core+ and deliver, or have it waived "
                f"(`./neet waive CHECK --until {run.census_point} --by NAME --reason WHY`), then run the point again: "
                f"`./neet census {run.census_point}`. Owner: Management Information."
            )
        self.log.info(
            "The gate lets the return of %s pass: decision %s",
            run.census_point,
            self.gate["decision_id"],
        )
        return self.gate["decision_id"]


class PrepareReturnOperator(CensusStepOperator):
    """Writes the candidate: the bytes that would be sealed. Returns it as JSON.

    Args:
        gate_decision_id: the recorded decision that lets it pass.
    """

    template_fields: Sequence[str] = ("run_json", "gate_decision_id")

    def __init__(self, *, gate_decision_id: Any, **kwargs) -> None:
        super().__init__(**kwargs)
        self.gate_decision_id = gate_decision_id

    def execute(self, context: Context) -> str:
        from neet.returns import package

        with final(package.CandidateFailed):
            candidate = package.prepare(
                self.settings, self.dsn, self.census_run, self.gate_decision_id
            )
        self.log.info("Candidate %s in %s", candidate.payload_sha256, candidate.directory)
        return candidate.to_json()


SIGNED_BY, REASON = "signed_by", "reason"


class SignOffOperator(ApprovalOperator):
    """Asks a person to approve or reject the candidate, in Airflow's pages or through its API.

    Unlike its parent it skips nothing on a rejection: the next task has to record it. An answer without a name or a
    reason is not taken; the question is put again.

    Args:
        conn_id: Airflow connection of the role ``gate``.
        run: the census run as JSON.
        candidate: the candidate as JSON.
        gate: what :class:`CheckReturnOperator` returned.
    """

    # A task's own fields are templates, but never what is put before the person: it holds text from data.
    template_fields: Sequence[str] = ("run_json", "candidate_json", "gate")

    def __init__(self, *, conn_id: str, run: Any, candidate: Any, gate: Any, **kwargs) -> None:
        # The parameters of the DAG, which Airflow passes to every task, are no part of the form.
        kwargs["params"] = {
            SIGNED_BY: Param(
                "",
                "Name and office of the person who answers for these figures",
                source="task",
                type="string",
                title="On whose behalf",
                maxLength=200,
            ),
            REASON: Param(
                "",
                "What was looked at, or why it is refused: the auditor reads this",
                source="task",
                type="string",
                title="Reason",
                maxLength=4000,
            ),
        }
        # The wait has its own limit, response_timeout; this one would end it.
        kwargs["execution_timeout"] = None
        super().__init__(subject="Sign the return?", **kwargs)
        self.conn_id = conn_id
        self.run_json = run
        self.candidate_json = candidate
        self.gate = gate

    def execute(self, context: Context) -> Any:
        from neet import sign_off
        from neet.census import CensusRun
        from neet.returns.package import Candidate

        with final(sign_off.AlreadyRefused):
            question = sign_off.question(
                dsn_of(self.conn_id),
                CensusRun.from_json(self.run_json),
                Candidate.from_json(self.candidate_json),
                self.gate["data_docs_index"],
            )
        self.subject, self.body = question.subject, question.body
        self._check_wording(context["task_instance"].id)
        return super().execute(context)

    def _check_wording(self, ti_id: Any) -> None:
        """Airflow keeps the wording of a task's first question when the task is cleared: nobody may sign figures under
        the description of others."""
        from airflow.sdk.execution_time.comms import CreateHITLDetailPayload
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

        shown = SUPERVISOR_COMMS.send(
            CreateHITLDetailPayload(
                ti_id=ti_id,
                options=self.options,
                subject=self.subject,
                body=self.body,
                params=self.serialized_params,
                multiple=self.multiple,
                assigned_users=[],
            )
        )
        if (shown.subject, shown.body) != (self.subject, self.body):
            raise AirflowFailException(
                "This run asked before, about other figures, and Airflow would show the old ones. Start a new run of the "
                "point instead of clearing this one: `./neet census POINT`, or trigger the DAG with its partition key."
            )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, str]:
        """Returns ``answer`` (``Approve`` or ``Reject``), ``signed_by``, ``reason`` and ``answered_by``."""
        given = HITLOperator.execute_complete(self, context, event)
        fields = {
            name: str(given["params_input"].get(name) or "").strip() for name in (SIGNED_BY, REASON)
        }
        missing = [name for name, value in fields.items() if not value]
        if missing:
            raise AirflowException(
                f"The answer lacks {' and '.join(missing)}, so it is not taken: a decision has a person and a reason. "
                f"The question is put again."
            )
        user = given["responded_by_user"] or {}
        return {
            "answer": given["chosen_options"][0],
            "answered_by": user.get("name") or user.get("id") or "unknown account",
            **fields,
        }

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        if event["error_type"] == "timeout":
            raise AirflowFailException(
                f"Nobody answered within {self.response_timeout}. Nothing was sealed or refused. Clear this task to ask "
                f"again, or record that nothing was sent: `./neet not-sent POINT --by NAME --reason WHY`. Owner: "
                f"Management Information."
            )
        super().process_trigger_event_error(event)


class RecordAnswerOperator(CensusStepOperator):
    """Seals an approved candidate; records the refusal of a rejected one and fails, so that green means sealed.

    Args:
        candidate: the candidate as JSON.
        answer: what :class:`SignOffOperator` returned.
    """

    template_fields: Sequence[str] = ("run_json", "candidate_json", "answer")

    def __init__(self, *, candidate: Any, answer: Any, **kwargs) -> None:
        super().__init__(**kwargs)
        self.candidate_json = candidate
        self.answer = answer

    def execute(self, context: Context) -> dict[str, Any]:
        from neet.returns import package

        run = self.census_run
        candidate = package.Candidate.from_json(self.candidate_json)
        person, account, reason = (self.answer[name] for name in (SIGNED_BY, "answered_by", REASON))
        if self.answer["answer"] != ApprovalOperator.APPROVE:
            with final(package.NotSealed):
                package.refuse(self.settings, self.dsn, run, candidate, person, account, reason)
            raise AirflowFailException(
                f"REFUSED by {person} (answered as {account}): {reason}\nThe refusal of {run.census_point} is recorded and "
                f"final for payload {candidate.payload_sha256}; there is no package. Correct the source, deliver, and run "
                f"the point again. Owner: Management Information."
            )
        with final(package.NotSealed, package.ChainBroken):
            submission = package.seal(
                self.settings, self.dsn, run, candidate, person, account, reason
            )
        self.log.info(
            "Sealed: submission %s, number %s of the chain, %s",
            submission.submission_id, submission.chain_number, submission.package_path,
        )  # fmt: skip
        return {
            key: value if isinstance(value, (int, bool)) else str(value)
            for key, value in dataclasses.asdict(submission).items()
        }
