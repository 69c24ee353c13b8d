"""What a download Job runs: stage, verify, publish, report."""
