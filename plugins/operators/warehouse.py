"""What all operators of the warehouse share: its connections, its settings, and when not to try again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from airflow.sdk import BaseOperator, Connection
from airflow.sdk.exceptions import AirflowFailException

from neet.settings import Settings


def dsn_of(conn_id: str) -> str:
    """Connection string of an Airflow connection such as ``neet_gate``.

    Raises:
        airflow.sdk.exceptions.AirflowNotFoundException: there is no such connection.
    """
    return Connection.get(conn_id).get_uri()


class WarehouseOperator(BaseOperator):
    """An operator that talks to the warehouse as one of its roles.

    Args:
        conn_id: Airflow connection of the role, ``neet_<role>``.
    """

    def __init__(self, *, conn_id: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id

    @property
    def dsn(self) -> str:
        return dsn_of(self.conn_id)

    @property
    def settings(self) -> Settings:
        return Settings.load()


@contextlib.contextmanager
def final(*errors: type[BaseException]) -> Iterator[None]:
    """Errors that a second attempt cannot mend fail the task at once, with their own words."""
    try:
        yield
    except errors as error:
        raise AirflowFailException(str(error)) from error
