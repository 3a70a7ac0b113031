def ensure_raw_tables(connection) -> None:
    pass
