"""Operators: each hands an Airflow connection and the run's parameters to one function of ``neet``."""
