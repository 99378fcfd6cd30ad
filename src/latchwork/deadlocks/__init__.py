"""Finding deadlocks: what one who has waited long looks for, and what it does about it.

docs/deadlocks.md says what is found and what is not; docs/design/006-deadlocks.md why.
"""
