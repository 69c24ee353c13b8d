"""The steps of a pass, one file each."""
