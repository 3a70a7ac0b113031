"""From a source and its Airflow connection to the place its files are fetched from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.sdk import Connection, ObjectStoragePath
from airflow.sdk.exceptions import AirflowNotFoundException

from neet.feeds.sources import WEB, Source, SourcesError

if TYPE_CHECKING:
    from neet.feeds.fetching import Store

SILENT_SECONDS = 120
UNVERIFIED = ("no_host_key_check", "ignore_hostkey_verification", "allow_host_key_change")


@contextlib.contextmanager
def store_of(source: Source) -> Iterator[Store]:
    """The place of a source, logged in; closed at the end.

    Raises:
        neet.feeds.sources.SourcesError: the connection is missing, of another host, or trusts blindly.
    """
    if source.connection is not None:
        try:
            connection = Connection.get(source.connection)
        except AirflowNotFoundException:
            raise SourcesError(
                f"{source.words}: there is no Airflow connection {source.connection!r}. Make it (`airflow connections add`, "
                f"or AIRFLOW_CONN_{source.connection.upper()}): docs/transports.md shows how."
            ) from None
    else:
        connection = None
    if source.scheme in WEB:
        yield _web(source, connection)
    elif source.scheme == "sftp":
        with _sftp(source, connection) as store:
            yield store
    else:
        from neet.feeds.stores import FolderStore

        path = ObjectStoragePath(source.url, conn_id=source.connection)
        yield FolderStore(path.fs, path.path)


def _web(source: Source, connection: Connection | None) -> Store:
    import requests

    from neet.feeds.stores import WebStore

    if connection is None:
        return WebStore(requests.Session(), source.url, source.name)
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(http_conn_id=source.connection)
    session = hook.get_conn()
    meant, given = urlsplit(hook.base_url), urlsplit(source.url)
    if (meant.scheme, meant.netloc) != (given.scheme, given.netloc):
        raise SourcesError(
            f"{source.words}: the connection's account is for {meant.scheme}://{meant.netloc}; it is not shown to another server. "
            "Make a connection for this one."
        )
    return WebStore(session, source.url, source.name)


@contextlib.contextmanager
def _sftp(source: Source, connection: Connection) -> Iterator[Store]:
    """Airflow's own file system for SFTP needs a library more and does not know the ``host_key`` of a connection; this
    one uses the client of Airflow's hook, which refuses a host it does not know."""
    from airflow.providers.sftp.hooks.sftp import SFTPHook
    from fsspec.implementations.sftp import SFTPFileSystem

    from neet.feeds.stores import FolderStore

    extra = connection.extra_dejson
    for key in UNVERIFIED:
        if str(extra.get(key, "")).lower() == "true":
            raise SourcesError(
                f"{source.words}: the connection says {key}, so anybody could stand in for the sender. Take it out and "
                "give the server's public key as `host_key` (`ssh-keyscan HOST`, compared with what the sender tells you)."
            )

    class HookFileSystem(SFTPFileSystem):
        cachable = False

        def _connect(self) -> None:
            self.ftp = client

    with SFTPHook(source.connection, conn_retry_attempts=1).get_managed_conn() as client:
        client.get_channel().settimeout(SILENT_SECONDS)
        yield FolderStore(HookFileSystem(connection.host), urlsplit(source.url).path)
