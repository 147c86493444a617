"""Stand in for a REST service in the tests of an application, without a network."""

from __future__ import annotations

from architect_rest.doubles.factory import RestDouble, RestDoubleFactory
from architect_rest.doubles.stand_in import UnansweredError

__all__ = ["RestDouble", "RestDoubleFactory", "UnansweredError"]
