"""Fixtures that several files of tests share."""

import pytest


@pytest.fixture
def undescended(monkeypatch):
    """Runs return the best states that they have seen, without the descent at the end."""
    monkeypatch.setattr("fastgibbs.methods.cooling.quenched", lambda model, states, *rest: states)
