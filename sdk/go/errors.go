package caracal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is what STS, Gateway or this package refuse with. Compare with errors.Is against the Err
// variables, which hold one code each. It never holds a secret, a mandate or a body.
type Error struct {
	// Code is of the contract, or one of our own for what was never sent.
	Code string
	// Status is the HTTP status; 0 when nothing was sent or nothing came back.
	Status int
	// Message says what is wrong.
	Message string
	// Hint is the next step.
	Hint string
	// RequestID is the id of the request, as in its events.
	RequestID string
	// ApprovalID is what a person decides about.
	ApprovalID string
	// Gate is the gate that denied.
	Gate string
	// Counterexample is what a child or delegation would have beyond its parent.
	Counterexample *Counterexample
	// RetryAfter is how long to wait before another try.
	RetryAfter time.Duration

	cause error
}

// Counterexample is one scope that is beyond what it would be taken from.
type Counterexample struct {
	Resource string `json:"resource"`
	Scope    string `json:"scope"`
}

func (e *Error) Error() string {
	text := "caracal: " + e.Code
	if e.Message != "" {
		text = "caracal: " + e.Message
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Is tells errors of the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

func (e *Error) Unwrap() error { return e.cause }

// The codes of the STS.
var (
	ErrInvalidRequest         = &Error{Code: "invalid_request"}
	ErrInvalidClient          = &Error{Code: "invalid_client"}
	ErrUnsupportedGrantType   = &Error{Code: "unsupported_grant_type"}
	ErrUnauthorizedClient     = &Error{Code: "unauthorized_client"}
	ErrInvalidScope           = &Error{Code: "invalid_scope"}
	ErrInvalidTarget          = &Error{Code: "invalid_target"}
	ErrInvalidGrant           = &Error{Code: "invalid_grant"}
	ErrInvalidDPoPProof       = &Error{Code: "invalid_dpop_proof"}
	ErrAccessDenied           = &Error{Code: "access_denied"}
	ErrInteractionRequired    = &Error{Code: "interaction_required"}
	ErrSlowDown               = &Error{Code: "slow_down"}
	ErrTemporarilyUnavailable = &Error{Code: "temporarily_unavailable"}
	ErrNotNarrower            = &Error{Code: "not_narrower"}
	ErrLabelNotRegistered     = &Error{Code: "label_not_registered"}
	ErrSelfDelegation         = &Error{Code: "self_delegation"}
	ErrDelegationCycle        = &Error{Code: "delegation_cycle"}
	ErrDepthExceeded          = &Error{Code: "depth_exceeded"}
	ErrFanOutExceeded         = &Error{Code: "fan_out_exceeded"}
	ErrLimitExceeded          = &Error{Code: "limit_exceeded"}
	ErrStaleGeneration        = &Error{Code: "stale_generation"}
	ErrIdempotencyConflict    = &Error{Code: "idempotency_conflict"}
	ErrTooManyApprovals       = &Error{Code: "too_many_approvals"}
)

// The codes of both doors.
var (
	ErrSessionSuspended = &Error{Code: "session_suspended"}
	ErrZoneFrozen       = &Error{Code: "zone_frozen"}
	ErrUseDPoPNonce     = &Error{Code: "use_dpop_nonce"}
)

// The codes of the Gateway, and of services that verify mandates.
var (
	ErrResourceMissing       = &Error{Code: "resource_missing"}
	ErrPathInvalid           = &Error{Code: "path_invalid"}
	ErrMandateMisplaced      = &Error{Code: "mandate_misplaced"}
	ErrMandateMissing        = &Error{Code: "mandate_missing"}
	ErrMandateInvalid        = &Error{Code: "mandate_invalid"}
	ErrMandateExpired        = &Error{Code: "mandate_expired"}
	ErrMandateRevoked        = &Error{Code: "mandate_revoked"}
	ErrMandateReplayed       = &Error{Code: "mandate_replayed"}
	ErrProofInvalid          = &Error{Code: "proof_invalid"}
	ErrOperationNotDeclared  = &Error{Code: "operation_not_declared"}
	ErrActionNotAuthorized   = &Error{Code: "action_not_authorized"}
	ErrScopeMissing          = &Error{Code: "scope_missing"}
	ErrPolicyDenied          = &Error{Code: "policy_denied"}
	ErrResourceMismatch      = &Error{Code: "resource_mismatch"}
	ErrBudgetExhausted       = &Error{Code: "budget_exhausted"}
	ErrApprovalRequired      = &Error{Code: "approval_required"}
	ErrResourceUnknown       = &Error{Code: "resource_unknown"}
	ErrBodyTooLarge          = &Error{Code: "body_too_large"}
	ErrRateLimited           = &Error{Code: "rate_limited"}
	ErrUpstreamUnreachable   = &Error{Code: "upstream_unreachable"}
	ErrCredentialUnavailable = &Error{Code: "credential_unavailable"}
	ErrUpstreamTimeout       = &Error{Code: "upstream_timeout"}
	ErrFeedStale             = &Error{Code: "feed_stale"}
	ErrLedgerUnavailable     = &Error{Code: "ledger_unavailable"}
	ErrOverloaded            = &Error{Code: "overloaded"}
)

// Our own: nothing was sent, or nothing came back.
var (
	ErrSettings         = &Error{Code: "settings_invalid"}
	ErrResourceUnbound  = &Error{Code: "resource_unbound"}
	ErrGatewayPath      = &Error{Code: "gateway_path_invalid"}
	ErrRedirectRefused  = &Error{Code: "redirect_refused"}
	ErrConnection       = &Error{Code: "connection_failed"}
	ErrTimedOut         = &Error{Code: "timed_out"}
	ErrAnswer           = &Error{Code: "answer_invalid"}
	ErrApprovalRejected = &Error{Code: "approval_rejected"}
	ErrApprovalExpired  = &Error{Code: "approval_expired"}
	ErrClosed           = &Error{Code: "closed"}
)

// because makes an error of a code with words of its own.
func because(kind *Error, format string, arguments ...any) *Error {
	return &Error{Code: kind.Code, Message: fmt.Sprintf(format, arguments...)}
}

func (e *Error) withHint(hint string) *Error {
	e.Hint = hint
	return e
}

func (e *Error) causedBy(cause error) *Error {
	e.cause = cause
	return e
}

// errorOfAnswer reads what an answer of the STS (RFC 6749) or the Gateway (RFC 9457) tells.
func errorOfAnswer(status int, header http.Header, body []byte) *Error {
	var told struct {
		Code           string          `json:"code"`
		Error          string          `json:"error"`
		Detail         string          `json:"detail"`
		Description    string          `json:"error_description"`
		RequestID      string          `json:"request_id"`
		Hint           string          `json:"hint"`
		ApprovalID     string          `json:"approval_id"`
		Gate           string          `json:"gate"`
		Counterexample *Counterexample `json:"counterexample"`
	}
	// What is no JSON tells nothing but its status.
	_ = json.Unmarshal(body, &told)
	code := first(told.Code, told.Error)
	if code == "" {
		code = "http_" + strconv.Itoa(status)
		if status >= 500 {
			code = ErrTemporarilyUnavailable.Code
		}
	}
	failed := &Error{
		Code:           code,
		Status:         status,
		Message:        first(told.Detail, told.Description, fmt.Sprintf("the server answered %d", status)),
		Hint:           told.Hint,
		RequestID:      told.RequestID,
		ApprovalID:     told.ApprovalID,
		Gate:           told.Gate,
		Counterexample: told.Counterexample,
	}
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds > 0 {
		failed.RetryAfter = time.Duration(seconds) * time.Second
	}
	return failed
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
