"""A lost ledger, made anew from its volume."""
