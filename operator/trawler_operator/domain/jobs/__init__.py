"""What all Jobs have in common: names, settings, manifests, how they end and why they do not start."""
