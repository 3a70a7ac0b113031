"""One identity per young person: who each record of each system is about (design section 6)."""
