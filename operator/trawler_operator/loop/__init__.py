"""What keeps passes going: the watch, the queue, the workers."""
