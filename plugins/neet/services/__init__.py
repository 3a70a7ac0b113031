"""The processes of a one-machine installation: PostgreSQL, Airflow, and what watches them."""
