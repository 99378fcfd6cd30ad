"""Processes that begin while others clean up: all of them come to one arena, in the first directory."""

import os

import pytest

from latchwork import cleaning, directory


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two directories that can be used, as there are without LATCHWORK_DIR."""
    places = [str(tmp_path / "first"), str(tmp_path / "second")]
    monkeypatch.setattr(directory, "candidates", lambda: places)
    return places


def made_in():
    path, arena, made = directory.find_or_create("namespace-x", persistent=True)
    arena.close()
    assert made
    return os.path.dirname(path)


def test_a_file_that_is_cleaned_away_before_it_is_locked_is_made_anew(places, monkeypatch):
    real, done = os.open, []

    def opened(path, *rest):
        fd = real(path, *rest)
        if os.path.basename(path).startswith(directory.UNFINISHED) and not done:
            done.append(path)
            cleaning.clean()
        return fd

    monkeypatch.setattr(os, "open", opened)
    assert made_in() == places[0]
    assert not os.path.exists(done[0])


def test_a_directory_that_is_removed_while_it_is_empty_is_made_anew(places, monkeypatch):
    real, done = os.mkdir, []

    def made(path, *rest):
        real(path, *rest)
        if path == places[0] and not done:
            done.append(path)
            os.rmdir(path)

    monkeypatch.setattr(os, "mkdir", made)
    assert made_in() == places[0]


def test_a_directory_that_is_removed_while_it_is_looked_at_is_no_error(places, monkeypatch):
    os.mkdir(places[0], 0o700)
    real = os.lstat

    def looked(path, *rest, **more):
        found = real(path, *rest, **more)
        if path == places[0]:
            os.rmdir(path)
        return found

    monkeypatch.setattr(os, "lstat", looked)
    assert directory.find("namespace-x") is None
