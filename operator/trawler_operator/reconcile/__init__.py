"""The pass: observe, settle, list, plan, apply; and the queue that feeds it. I/O only through its ports."""
