"""What all Jobs have in common: names, settings, manifests, how they end, why they do not start."""
