"""Where finished files stand on the volume and what they are called; manifests, names, sidecars."""
