"""Fixtures for the applications: each kind of interpreter, and each multi-processing module."""

from __future__ import annotations

import pytest

from support.apps import KINDS
from support.server import MPMS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of interpreter."""
    return str(request.param)


@pytest.fixture(params=MPMS)
def mpm(request: pytest.FixtureRequest) -> str:
    """A multi-processing module."""
    return str(request.param)
