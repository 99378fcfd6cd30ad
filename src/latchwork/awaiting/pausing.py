"""What is done when no thread, memory or file can be had for a wait that must not fail."""

PAUSE = 0.01  # seconds, until it is tried again
