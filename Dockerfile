# One image for every Airflow service and for the one-off migration. Debian with Python from apt, the locked
# environment, the project's code; no state and no secret inside.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates make git python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 5000 neet

WORKDIR /opt/neet
RUN chown neet /opt/neet
USER neet
COPY --chown=neet Makefile pyproject.toml requirements.lock ./
RUN make setup
COPY --chown=neet . .

ENV PATH=/opt/neet/var/venv/bin:$PATH \
    PYTHONPATH=/opt/neet/plugins:/opt/neet \
    PYTHONUNBUFFERED=1 \
    LANG=C.UTF-8 \
    TZ=UTC
