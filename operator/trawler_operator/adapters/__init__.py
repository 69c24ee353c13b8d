"""The outside world behind the reconciler's ports: Kubernetes, the lister, Events, metrics, HTTP, the clock."""
