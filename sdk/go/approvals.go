package caracal

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Approval says how a person is waited for.
type Approval struct {
	// Timeout is for how long in all; ten minutes if 0.
	Timeout time.Duration
	// Notify is told once when the wait begins, so that somebody can be asked.
	Notify func(approvalID string)
}

// eachWait is how long one question waits.
const eachWait = 25 * time.Second

// waitForApproval returns nil once it is approved.
func waitForApproval(ctx context.Context, s *sts, who func() (asker, error), id string, approval *Approval) error {
	if approval.Notify != nil {
		approval.Notify(id)
	}
	timeout := approval.Timeout
	if timeout == 0 {
		timeout = 10 * time.Minute
	}
	for until := time.Now().Add(timeout); time.Now().Before(until); {
		asking, err := who()
		if err != nil {
			return err
		}
		wait := max(time.Second, min(eachWait, time.Until(until).Round(time.Second)))
		path := fmt.Sprintf("/v1/approvals/%s?wait=%d", url.PathEscape(id), int(wait.Seconds()))
		var answer struct {
			Status string `json:"status"`
			Reason string `json:"reason"`
		}
		asked := question{asker: asking, method: http.MethodGet, path: path, timeout: wait + 10*time.Second}
		if err := s.ask(ctx, asked, &answer); err != nil {
			return err
		}
		var failed *Error
		switch answer.Status {
		case "approved":
			return nil
		case "pending":
			continue
		case "rejected":
			failed = because(ErrApprovalRejected, "a person rejected it: %s", first(answer.Reason, "without a reason"))
		default:
			failed = because(ErrApprovalExpired, "the approval can no longer be used")
		}
		failed.ApprovalID = id
		return failed
	}
	failed := because(ErrTimedOut, "nobody decided about `%s` in time", id)
	failed.ApprovalID = id
	return failed
}
