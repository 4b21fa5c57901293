/**
 * One class per code of the contract, so that a program tells refusals apart by type. Nothing here
 * holds a secret, a mandate or a body.
 */

/** One scope that is beyond what it would be taken from. */
export interface Counterexample {
  resource: string;
  scope: string;
}

/** What a refusal tells beside its code. */
export interface Refusal {
  /** The HTTP status; 0 when nothing was sent or nothing came back. */
  status: number;
  /** What is wrong, in words. */
  message: string;
  /** The id of the request, as in its events. */
  requestId?: string;
  /** The next step. */
  hint?: string;
  /** What a person decides about. */
  approvalId?: string;
  /** What a child or delegation would have beyond its parent. */
  counterexample?: Counterexample;
  /** The gate that denied. */
  gate?: string;
  /** After how many seconds to try again. */
  retryAfterSeconds?: number;
}

/** Every error of this library. `code` is of the contract, or one of our own for what was never sent. */
export class CaracalError extends Error {
  readonly code: string;
  readonly status: number;
  readonly requestId?: string;
  readonly hint?: string;
  readonly approvalId?: string;
  readonly counterexample?: Counterexample;
  readonly gate?: string;
  readonly retryAfterSeconds?: number;

  constructor(code: string, refusal: Refusal, options?: ErrorOptions) {
    super(refusal.hint ? `${refusal.message} (${refusal.hint})` : refusal.message, options);
    this.name = new.target.name;
    this.code = code;
    const { message: _, ...rest } = refusal;
    this.status = rest.status;
    Object.assign(this, rest);
  }
}

/** The STS or the Gateway refused with a code that this version does not know. */
export class UnknownRefusalError extends CaracalError {}

type Kind<Code extends string> = {
  new (refusal: Refusal, options?: ErrorOptions): CaracalError & { readonly code: Code };
  readonly code: Code;
};

function kind<const Code extends string>(code: Code): Kind<Code> {
  const made = class extends CaracalError {
    static readonly code = code;
    constructor(refusal: Refusal, options?: ErrorOptions) {
      super(code, refusal, options);
    }
  };
  return made as unknown as Kind<Code>;
}

// Of the STS.
export class InvalidRequestError extends kind("invalid_request") {}
export class InvalidClientError extends kind("invalid_client") {}
export class UnsupportedGrantTypeError extends kind("unsupported_grant_type") {}
export class UnauthorizedClientError extends kind("unauthorized_client") {}
export class InvalidScopeError extends kind("invalid_scope") {}
export class InvalidTargetError extends kind("invalid_target") {}
export class InvalidGrantError extends kind("invalid_grant") {}
export class InvalidDpopProofError extends kind("invalid_dpop_proof") {}
export class AccessDeniedError extends kind("access_denied") {}
export class InteractionRequiredError extends kind("interaction_required") {}
export class SlowDownError extends kind("slow_down") {}
export class TemporarilyUnavailableError extends kind("temporarily_unavailable") {}
export class NotNarrowerError extends kind("not_narrower") {}
export class LabelNotRegisteredError extends kind("label_not_registered") {}
export class SelfDelegationError extends kind("self_delegation") {}
export class DelegationCycleError extends kind("delegation_cycle") {}
export class DepthExceededError extends kind("depth_exceeded") {}
export class FanOutExceededError extends kind("fan_out_exceeded") {}
export class LimitExceededError extends kind("limit_exceeded") {}
export class StaleGenerationError extends kind("stale_generation") {}
export class SuspendedByOperatorError extends kind("suspended_by_operator") {}
export class IdempotencyConflictError extends kind("idempotency_conflict") {}
export class TooManyApprovalsError extends kind("too_many_approvals") {}
// Of both doors.
export class SessionSuspendedError extends kind("session_suspended") {}
export class ZoneFrozenError extends kind("zone_frozen") {}
export class UseDpopNonceError extends kind("use_dpop_nonce") {}
// Of the Gateway.
export class ResourceMissingError extends kind("resource_missing") {}
export class PathInvalidError extends kind("path_invalid") {}
export class MandateMisplacedError extends kind("mandate_misplaced") {}
export class MandateMissingError extends kind("mandate_missing") {}
export class MandateInvalidError extends kind("mandate_invalid") {}
export class MandateExpiredError extends kind("mandate_expired") {}
export class MandateRevokedError extends kind("mandate_revoked") {}
export class MandateReplayedError extends kind("mandate_replayed") {}
export class ProofInvalidError extends kind("proof_invalid") {}
export class OperationNotDeclaredError extends kind("operation_not_declared") {}
/** The mandate names exact requests, and this is none of them. */
export class ActionNotAuthorizedError extends kind("action_not_authorized") {}
export class ScopeMissingError extends kind("scope_missing") {}
export class PolicyDeniedError extends kind("policy_denied") {}
export class ResourceMismatchError extends kind("resource_mismatch") {}
export class BudgetExhaustedError extends kind("budget_exhausted") {}
export class ApprovalRequiredError extends kind("approval_required") {}
export class ResourceUnknownError extends kind("resource_unknown") {}
export class BodyTooLargeError extends kind("body_too_large") {}
export class RateLimitedError extends kind("rate_limited") {}
export class UpstreamUnreachableError extends kind("upstream_unreachable") {}
export class CredentialUnavailableError extends kind("credential_unavailable") {}
export class UpstreamTimeoutError extends kind("upstream_timeout") {}
export class FeedStaleError extends kind("feed_stale") {}
export class LedgerUnavailableError extends kind("ledger_unavailable") {}
export class OverloadedError extends kind("overloaded") {}
// Our own: nothing was sent, or nothing came back.
export class SettingsError extends kind("settings_invalid") {}
export class ResourceUnboundError extends kind("resource_unbound") {}
export class GatewayPathError extends kind("gateway_path_invalid") {}
export class RedirectRefusedError extends kind("redirect_refused") {}
export class ConnectionError extends kind("connection_failed") {}
export class TimeoutError extends kind("timed_out") {}
export class AnswerError extends kind("answer_invalid") {}
export class ApprovalRejectedError extends kind("approval_rejected") {}
export class ApprovalExpiredError extends kind("approval_expired") {}
export class ClosedError extends kind("closed") {}

/** Every class by its code. */
export const ERRORS: ReadonlyMap<string, Kind<string>> = new Map(
  [
    InvalidRequestError, InvalidClientError, UnsupportedGrantTypeError, UnauthorizedClientError,
    InvalidScopeError, InvalidTargetError, InvalidGrantError, InvalidDpopProofError,
    AccessDeniedError, InteractionRequiredError, SlowDownError, TemporarilyUnavailableError,
    NotNarrowerError, LabelNotRegisteredError, SelfDelegationError, DelegationCycleError,
    DepthExceededError, FanOutExceededError, LimitExceededError, StaleGenerationError,
    SuspendedByOperatorError, IdempotencyConflictError, TooManyApprovalsError, SessionSuspendedError, ZoneFrozenError,
    UseDpopNonceError, ResourceMissingError, PathInvalidError, MandateMisplacedError,
    MandateMissingError, MandateInvalidError, MandateExpiredError, MandateRevokedError,
    MandateReplayedError, ProofInvalidError, OperationNotDeclaredError, ActionNotAuthorizedError, ScopeMissingError,
    PolicyDeniedError, ResourceMismatchError, BudgetExhaustedError, ApprovalRequiredError,
    ResourceUnknownError, BodyTooLargeError, RateLimitedError, UpstreamUnreachableError,
    CredentialUnavailableError, UpstreamTimeoutError, FeedStaleError, LedgerUnavailableError,
    OverloadedError, SettingsError, ResourceUnboundError, GatewayPathError, RedirectRefusedError,
    ConnectionError, TimeoutError, AnswerError, ApprovalRejectedError, ApprovalExpiredError,
    ClosedError,
  ].map((made) => [made.code, made as Kind<string>]),
);

/** The error of a code. */
export function errorOf(code: string, refusal: Refusal): CaracalError {
  const found = ERRORS.get(code);
  return found ? new found(refusal) : new UnknownRefusalError(code, refusal);
}

/** The error that an answer of the STS (RFC 6749) or the Gateway (RFC 9457) tells. */
export function errorOfAnswer(status: number, headers: Headers, body: unknown): CaracalError {
  const told = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string): string | undefined =>
    typeof told[name] === "string" ? (told[name] as string) : undefined;
  const code = text("code") ?? text("error") ?? (status >= 500 ? "temporarily_unavailable" : `http_${status}`);
  const refusal: Refusal = {
    status,
    message: text("detail") ?? text("error_description") ?? `the server answered ${status}`,
  };
  const after = Number(headers.get("retry-after") ?? Number.NaN);
  if (Number.isFinite(after)) refusal.retryAfterSeconds = after;
  const requestId = text("request_id");
  if (requestId) refusal.requestId = requestId;
  const hint = text("hint");
  if (hint) refusal.hint = hint;
  const approvalId = text("approval_id");
  if (approvalId) refusal.approvalId = approvalId;
  const gate = text("gate");
  if (gate) refusal.gate = gate;
  const counterexample = told["counterexample"];
  if (typeof counterexample === "object" && counterexample !== null) {
    refusal.counterexample = counterexample as Counterexample;
  }
  return errorOf(code, refusal);
}
