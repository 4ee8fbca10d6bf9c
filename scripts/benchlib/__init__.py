"""What bench-sweep, bench-compare and bench-report share. Python's standard library alone."""
