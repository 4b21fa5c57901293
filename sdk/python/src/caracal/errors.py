"""What STS, Gateway or this package refuse with: one type per code."""

from __future__ import annotations

import json
from typing import Any, Mapping


class CaracalError(Exception):
    """A refusal. It never holds a secret, a mandate or a body.

    `status` is the HTTP status, 0 when nothing was sent or nothing came back; `retry_after` is in seconds.
    """

    code = "unknown"

    def __init__(self, message: str, *, hint: str = "", status: int = 0, told: Mapping[str, Any] | None = None) -> None:
        told = told or {}
        self.message = message
        self.status = status
        self.hint: str = hint or told.get("hint") or ""
        self.request_id: str | None = told.get("request_id")
        self.approval_id: str | None = told.get("approval_id")
        self.gate: str | None = told.get("gate")
        self.counterexample: dict[str, str] | None = told.get("counterexample")
        self.retry_after: float | None = None
        super().__init__(f"{message} ({self.hint})" if self.hint else message)


_CODES = """
invalid_request invalid_client unsupported_grant_type unauthorized_client invalid_scope invalid_target invalid_grant
invalid_dpop_proof access_denied interaction_required slow_down temporarily_unavailable not_narrower
label_not_registered self_delegation delegation_cycle depth_exceeded fan_out_exceeded limit_exceeded
stale_generation suspended_by_operator idempotency_conflict too_many_approvals session_suspended zone_frozen
use_dpop_nonce resource_missing path_invalid mandate_misplaced mandate_missing mandate_invalid mandate_expired
mandate_revoked mandate_replayed proof_invalid operation_not_declared scope_missing policy_denied resource_mismatch
budget_exhausted approval_required resource_unknown body_too_large rate_limited upstream_unreachable
credential_unavailable upstream_timeout feed_stale ledger_unavailable overloaded not_forwarded settings_invalid
resource_unbound gateway_path_invalid redirect_refused connection_failed timed_out answer_invalid approval_rejected
approval_expired closed
""".split()


def _name(code: str) -> str:
    return "".join(part.capitalize() for part in code.replace("dpop", "dPoP").split("_")).replace("Dpop", "DPoP") + "Error"


BY_CODE: dict[str, type[CaracalError]] = {
    code: type(_name(code), (CaracalError,), {"code": code, "__module__": __name__}) for code in _CODES
}
globals().update({kind.__name__: kind for kind in BY_CODE.values()})


def fail(code: str, message: str, hint: str = "") -> CaracalError:
    """An error of our own, of this code."""
    return BY_CODE[code](message, hint=hint)


def of_answer(status: int, headers: Mapping[str, str], body: bytes) -> CaracalError:
    """What an answer of the STS (RFC 6749) or the Gateway (RFC 9457) tells."""
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    code = told.get("code") or told.get("error") or ("temporarily_unavailable" if status >= 500 else "unknown")
    message = told.get("detail") or told.get("error_description") or f"the server answered {status}"
    error = BY_CODE.get(str(code), CaracalError)(str(message), status=status, told=told)
    error.code = str(code)
    wait = headers.get("Retry-After", "")
    error.retry_after = float(wait) if wait.isdigit() else None
    return error
