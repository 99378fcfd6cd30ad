"""What is measured beyond `latchwork.bench`: a module a topic."""
