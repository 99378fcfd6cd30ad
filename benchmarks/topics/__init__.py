"""What is measured: a module a topic, and what they share in ``measuring`` and ``processes``."""
