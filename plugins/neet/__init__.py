"""The NEET warehouse: logic that needs no Airflow. Operators and DAGs are thin layers over it."""
