"""Scenes of crash_driver.py, a file each primitive: each ends with a table SCENES."""
