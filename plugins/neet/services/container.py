"""Roles, databases and migrations for the containers of ``docker-compose.yml``.

Run once before the services start: ``python -m neet.services.container``. Reads ``NEET_ADMIN_DSN`` (a superuser of
the PostgreSQL server), ``NEET_<ROLE>_PASSWORD`` and ``AIRFLOW_DATABASE_PASSWORD``. Safe to run again.
"""

from __future__ import annotations

import os
import subprocess
from urllib.parse import quote, urlsplit

from neet import database
from neet.settings import ROLES


def main() -> None:
    """Create what is missing, migrate both databases.

    Raises:
        KeyError: a password is not set.
        subprocess.CalledProcessError: ``airflow db migrate`` failed.
    """
    admin = os.environ["NEET_ADMIN_DSN"]
    passwords = {role: os.environ[f"NEET_{role.upper()}_PASSWORD"] for role in ROLES}
    database.create_roles(admin, "neet", passwords)
    database.create_login_database(
        admin, "airflow", "neet_airflow", os.environ["AIRFLOW_DATABASE_PASSWORD"]
    )
    host = urlsplit(admin)
    owner = f"postgresql://neet_owner:{quote(passwords['owner'])}@{host.hostname}:{host.port or 5432}/neet"
    database.migrate(owner)
    subprocess.run(["airflow", "db", "migrate"], check=True)


if __name__ == "__main__":
    main()
