"""The pass: observe, settle, check, launch, report. I/O only through its ports."""
