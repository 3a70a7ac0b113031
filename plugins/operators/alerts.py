"""A failed run as an alert: a line in the installation, and a mail where a connection says to whom."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

from neet import alerts
from neet.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

SMTP = "smtp_default"


class AlertNotifier(BaseNotifier):
    """Writes the alert of a failed run, and sends it through :data:`SMTP` when that connection's extra names ``to_email``.

    Args:
        owner: whose alert it is.
    """

    template_fields = ()

    def __init__(self, owner: str = "Management Information") -> None:
        super().__init__()
        self.owner = owner

    def notify(self, context: Context) -> None:
        run = context["dag_run"]
        subject = f"{run.dag_id} {getattr(run, 'partition_key', None) or run.run_id}"
        words = (
            f"The run {subject} is red. `./neet status` and the log of its red task say what happened and what to do. "
            f"Owner: {self.owner}."
        )
        if alerts.raise_alert(Settings.load(), "failed_run", subject, words, self.owner):
            self._mail(subject, words)

    def _mail(self, subject: str, words: str) -> None:
        """A mail that cannot be sent is a line of the log: the alert itself is written."""
        from airflow.providers.smtp.hooks.smtp import SmtpHook
        from airflow.sdk import Connection

        try:
            to = Connection.get(SMTP).extra_dejson.get("to_email")
        except Exception:
            return
        if not to:
            return
        try:
            with SmtpHook(smtp_conn_id=SMTP) as hook:
                hook.send_email_smtp(
                    to=to, subject=f"NEET warehouse: {subject}", html_content=words
                )
        except Exception as error:
            log.error("The alert of %s was not mailed: %s", subject, error)
