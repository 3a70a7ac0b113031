"""What the warehouse costs: ``make bench``; the last figures are in ``latest.csv``, earlier ones in ``history.csv``."""
