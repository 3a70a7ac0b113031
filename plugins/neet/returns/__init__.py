"""The return as a package: candidate, seal, signature, ledger, verification."""
