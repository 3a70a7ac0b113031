"""The NCCIS return as a file: its layout, and XML written and read."""
