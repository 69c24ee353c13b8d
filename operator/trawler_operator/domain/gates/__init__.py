"""What holds downloads and listings back: gates, their book, and the budget of an egress."""
