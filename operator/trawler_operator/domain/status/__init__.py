"""What a Subscription's status says."""
