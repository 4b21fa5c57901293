package caracal

import (
	"context"
	"io"
	"net/http"
)

// parts are shared by a client and its sessions.
type parts struct {
	sts      *sts
	gateway  *gateway
	bindings []Binding
	direct   map[string]bool
	ttl      int
}

// authority is what client and session have in common: mandates, calls, and waiting for people.
type authority struct {
	parts    *parts
	asker    func() (asker, error)
	mandates *mandates
}

// Mandate gives a mandate, kept and renewed before it ends. With approval, one that policy holds is
// waited for.
func (a *authority) Mandate(ctx context.Context, request MandateRequest, approval *Approval) (*Mandate, error) {
	return a.mandates.getApproved(ctx, request, approval)
}

// WaitForApproval returns nil once a person has approved.
func (a *authority) WaitForApproval(ctx context.Context, id string, approval Approval) error {
	return waitForApproval(ctx, a.parts.sts, a.asker, id, &approval)
}

// GatewayRequest calls a resource through the Gateway. The path is below the resource: absolute URLs,
// dot segments and resources that are not bound are refused before anything is sent. The caller
// closes the answer's body.
func (a *authority) GatewayRequest(ctx context.Context, method, resource, path string, body io.Reader) (*http.Response, error) {
	for _, binding := range a.parts.bindings {
		if binding.Resource != resource {
			continue
		}
		request, err := http.NewRequestWithContext(ctx, method, a.parts.gateway.base, body)
		if err != nil {
			return nil, because(ErrGatewayPath, "the request is not good").causedBy(err)
		}
		return a.parts.gateway.call(request, binding, path, a.acting(ctx))
	}
	return nil, because(ErrResourceUnbound, "`%s` is not bound", resource).withHint("name it in `Credentials`")
}

// Do governs a request whose URL a binding covers. It is [GatewayRequest] for requests that need
// headers of their own.
func (a *authority) Do(request *http.Request) (*http.Response, error) {
	binding, path, err := bound(a.parts.bindings, request.URL)
	if err != nil {
		if a.parts.direct[request.URL.Host] {
			return http.DefaultTransport.RoundTrip(request)
		}
		return nil, because(ErrResourceUnbound, "no binding covers `%s`", request.URL.Host).
			withHint("add a credential with its `upstream_prefix`, or the host to `AllowDirect`")
	}
	return a.parts.gateway.call(request, binding, path, a.acting(request.Context()))
}

// RoundTrip makes it an [http.RoundTripper]: URLs below a binding's prefix are led through the
// Gateway, every other one is refused unless its host is in AllowDirect.
func (a *authority) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := a.Do(request)
	if err != nil && request.Body != nil {
		request.Body.Close()
	}
	return answer, err
}

// HTTPClient gives a client whose calls are governed.
func (a *authority) HTTPClient() *http.Client {
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: a, CheckRedirect: never}
}

// acting says whose authority a call uses: this one's, or that of the session of the context.
func (a *authority) acting(ctx context.Context) *authority {
	if session := SessionOf(ctx); session != nil && session.parts == a.parts {
		return &session.authority
	}
	return a
}

type sessionKey struct{}

// WithSession makes calls of the session's client with this context the session's own.
func WithSession(ctx context.Context, session *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, session)
}

// SessionOf gives the session of a context, or nil.
func SessionOf(ctx context.Context) *Session {
	session, _ := ctx.Value(sessionKey{}).(*Session)
	return session
}
