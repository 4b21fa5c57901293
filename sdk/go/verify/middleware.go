package verify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	caracal "caracal.dev/sdk"
)

type verifiedKey struct{}

// Of gives the mandate that [Verifier.Require] found, or nil.
func Of(ctx context.Context) *Verified {
	verified, _ := ctx.Value(verifiedKey{}).(*Verified)
	return verified
}

// Require wraps a handler: what presents no good mandate with all the scopes is refused.
func (v *Verifier) Require(next http.Handler, scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		presented := Request{Method: r.Method, Path: r.URL.EscapedPath(), DPoP: r.Header.Values("DPoP")}
		if all := r.Header.Values("Authorization"); len(all) == 1 {
			presented.Authorization = all[0]
		}
		verified, err := v.Verify(r.Context(), presented, scopes...)
		if err == nil {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), verifiedKey{}, verified)))
			return
		}
		var failed *caracal.Error
		if !errors.As(err, &failed) {
			failed = refused(caracal.ErrFeedStale, http.StatusServiceUnavailable, "the request was given up")
		}
		if failed.Status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", challenge(failed))
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(failed.Status)
		// Who has gone needs no answer.
		_ = json.NewEncoder(w).Encode(map[string]string{"code": failed.Code, "detail": failed.Message})
	})
}

func challenge(failed *caracal.Error) string {
	scheme := "Bearer"
	if errors.Is(failed, caracal.ErrProofInvalid) || errors.Is(failed, caracal.ErrMandateReplayed) {
		scheme = "DPoP"
	}
	if errors.Is(failed, caracal.ErrMandateMissing) {
		return scheme
	}
	return scheme + ` error="invalid_token", error_description="` + strings.ReplaceAll(failed.Message, `"`, "'") + `"`
}
