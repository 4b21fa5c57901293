"""Short-lived, policy-approved authority in place of long-lived keys. See the README."""

from . import errors
from ._core import Approval, Call, Mandate
from .awaiting import AsyncCaracal, AsyncGovernedTransport, AsyncSession
from .blocking import Caracal, GovernedTransport, Session
from .errors import CaracalError
from .settings import Binding

__all__ = [
    "Approval", "AsyncCaracal", "AsyncGovernedTransport", "AsyncSession", "Binding", "Call", "Caracal",
    "CaracalError", "GovernedTransport", "Mandate", "Session", "errors",
]  # fmt: skip
