"""A synthetic county: young people who never lived, recorded as a real authority would record them.

``generate(Config(...))`` or ``python -m synthetic_county --help``.
"""

from synthetic_county.generate import Config, OutputExists, Summary, generate

__all__ = ["Config", "OutputExists", "Summary", "generate"]
