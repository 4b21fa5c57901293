package caracal

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// maxRedirects is how often an answer may lead on below the same resource.
const maxRedirects = 5

var (
	hasScheme = regexp.MustCompile(`(?i)^[a-z][a-z0-9+.-]*:`)
	hasOdd    = regexp.MustCompile(`[\\\x00-\x20\x7f]`)
)

// checkPath refuses paths that do not stay below their resource, before anything is sent: absolute
// URLs, dot segments and empty ones in any spelling, and backslashes.
func checkPath(path string) error {
	refuse := func(why string) error {
		return because(ErrGatewayPath, "`%s` %s", path, why).withHint("use a path such as `/v1/models`")
	}
	switch {
	case hasScheme.MatchString(path) || strings.HasPrefix(path, "//"):
		return refuse("is an absolute URL")
	case !strings.HasPrefix(path, "/"):
		return refuse("does not begin with a slash")
	case strings.Contains(path, "#"):
		return refuse("has a fragment")
	case hasOdd.MatchString(path):
		return refuse("has a backslash, a space or a control character")
	}
	before, _, _ := strings.Cut(path, "?")
	segments := strings.Split(before[1:], "/")
	for index, segment := range segments {
		plain, err := url.PathUnescape(segment)
		switch {
		case err != nil:
			return refuse("is not percent-encoded")
		case plain == "." || plain == "..":
			return refuse("has a dot segment")
		case plain == "" && index < len(segments)-1:
			return refuse("has an empty segment")
		}
	}
	return nil
}

// callOptions are what governs one call beside its request.
type callOptions struct {
	scopes     []string
	delegation string
	approval   *Approval
}

type callKey struct{}

// CallOption governs the calls of a context.
type CallOption func(*callOptions)

// WithScopes names the scopes of the mandate; without it those of the binding are taken.
func WithScopes(scopes ...string) CallOption { return func(o *callOptions) { o.scopes = scopes } }

// WithDelegation names the delegation to go by, where several suffice.
func WithDelegation(id string) CallOption { return func(o *callOptions) { o.delegation = id } }

// WithApproval waits for a person when policy holds the call; without it the call fails with
// [ErrApprovalRequired].
func WithApproval(approval Approval) CallOption {
	return func(o *callOptions) { o.approval = &approval }
}

// WithCallOptions governs the calls that are made with the context.
func WithCallOptions(ctx context.Context, options ...CallOption) context.Context {
	var all callOptions
	if outer, ok := ctx.Value(callKey{}).(callOptions); ok {
		all = outer
	}
	for _, option := range options {
		option(&all)
	}
	return context.WithValue(ctx, callKey{}, all)
}

type gateway struct {
	base string
	wire *wire
}

func (g *gateway) urlOf(resource string) string {
	return g.base + strings.TrimPrefix(resource, "resource://")
}

// call makes a call. What was refused before it left the Gateway may be sent again by itself.
func (g *gateway) call(request *http.Request, binding Binding, path string, by *authority) (*http.Response, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	ctx := request.Context()
	options, _ := ctx.Value(callKey{}).(callOptions)
	wanted := MandateRequest{Resources: []string{binding.Resource}, Scopes: binding.Scopes, DelegationID: options.delegation}
	if options.scopes != nil {
		wanted.Scopes = options.scopes
	}
	home := g.urlOf(binding.Resource)
	target, err := url.Parse(home + path)
	if err != nil {
		return nil, because(ErrGatewayPath, "`%s` is no path", path).causedBy(err)
	}
	canRepeat := request.Body == nil || request.Body == http.NoBody || request.GetBody != nil
	did := map[string]bool{}
	redirects := 0
	for attempt := 1; ; attempt++ {
		mandate, err := by.mandates.get(ctx, wanted)
		if err != nil {
			return nil, err
		}
		answer, key, err := g.once(request, target, mandate, by, attempt)
		if err != nil {
			return nil, err
		}
		if key != nil {
			key.hear(answer.Header.Get("DPoP-Nonce"))
		}
		if location := answer.Header.Get("Location"); location != "" && answer.StatusCode/100 == 3 {
			drop(answer)
			if target, err = follow(home, target, location, redirects, request.Method); err != nil {
				return nil, err
			}
			redirects++
			continue
		}
		if answer.Header.Get("Caracal-Refusal") == "" {
			return answer, nil
		}
		body, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		answer.Body.Close()
		failed := errorOfAnswer(answer.StatusCode, answer.Header, body)
		if !canRepeat {
			return nil, failed
		}
		again, err := mayRepeat(ctx, failed, attempt, did, mandate, options.approval, by)
		if err != nil {
			return nil, err
		}
		if !again {
			return nil, failed
		}
	}
}

func drop(answer *http.Response) {
	// The connection is kept where little is left.
	_, _ = io.CopyN(io.Discard, answer.Body, 4096)
	answer.Body.Close()
}

func (g *gateway) once(request *http.Request, target *url.URL, mandate *Mandate, by *authority, attempt int) (*http.Response, *proofKey, error) {
	governed := request.Clone(request.Context())
	governed.URL, governed.Host = target, target.Host
	if attempt > 1 && request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return nil, nil, err
		}
		governed.Body = body
	}
	governed.Header.Set("Authorization", mandate.Type+" "+mandate.text)
	governed.Header.Del("X-Api-Key")
	who, err := by.asker()
	if err != nil {
		return nil, nil, err
	}
	if mandate.Type == "DPoP" && who.key != nil {
		proof, err := who.key.prove(governed.Method, target, mandate.text)
		if err != nil {
			return nil, nil, err
		}
		governed.Header.Set("DPoP", proof)
	}
	// A client's request has none (net/http refuses it).
	governed.RequestURI = ""
	answer, err := g.wire.send(governed)
	return answer, who.key, err
}

// mayRepeat sees to what stands in the way; true when the same request may pass now.
func mayRepeat(ctx context.Context, failed *Error, attempt int, did map[string]bool, mandate *Mandate, approval *Approval, by *authority) (bool, error) {
	once := func(what string) bool {
		was := did[what]
		did[what] = true
		return !was
	}
	switch failed.Code {
	case ErrUseDPoPNonce.Code:
		return once("nonce"), nil
	case ErrMandateExpired.Code, ErrMandateRevoked.Code, ErrMandateInvalid.Code:
		// A session that is dead says so at the next mint.
		by.mandates.forget(mandate)
		return once("mandate"), nil
	case ErrFeedStale.Code, ErrOverloaded.Code:
		if attempt >= attempts {
			return false, nil
		}
		return true, pause(ctx, attempt)
	case ErrApprovalRequired.Code:
		if approval == nil || failed.ApprovalID == "" || !once("approval") {
			return false, nil
		}
		return true, waitForApproval(ctx, by.parts.sts, by.asker, failed.ApprovalID, approval)
	default:
		return false, nil
	}
}

// follow says where a redirect leads, when that is below the same resource and safe to follow.
func follow(home string, from *url.URL, location string, count int, method string) (*url.URL, error) {
	target, err := from.Parse(location)
	if err != nil {
		return nil, because(ErrRedirectRefused, "the answer redirects to what is no URL")
	}
	text := target.String()
	isBelow := text == home || strings.HasPrefix(text, home+"/") || strings.HasPrefix(text, home+"?")
	switch {
	case !isBelow:
		return nil, because(ErrRedirectRefused, "the answer redirects away from the Gateway")
	case count >= maxRedirects:
		return nil, because(ErrRedirectRefused, "there are too many redirects")
	case method != "" && method != http.MethodGet && method != http.MethodHead:
		return nil, because(ErrRedirectRefused, "a redirected %s is not sent again", method)
	}
	return target, nil
}

// errNotFound marks a URL that no binding covers.
var errNotFound = errors.New("no binding")

// bound finds the binding with the longest prefix that covers a URL, and the path below it.
func bound(bindings []Binding, target *url.URL) (Binding, string, error) {
	var best Binding
	var path string
	longest := -1
	for _, binding := range bindings {
		if binding.UpstreamPrefix == "" {
			continue
		}
		prefix, err := url.Parse(binding.UpstreamPrefix)
		if err != nil || prefix.Scheme != target.Scheme || !strings.EqualFold(prefix.Host, target.Host) {
			continue
		}
		base := strings.TrimRight(prefix.EscapedPath(), "/")
		rest, isBelow := strings.CutPrefix(target.EscapedPath(), base)
		if !isBelow || (rest != "" && rest[0] != '/') || len(base) <= longest {
			continue
		}
		if rest == "" {
			rest = "/"
		}
		if target.RawQuery != "" {
			rest += "?" + target.RawQuery
		}
		best, path, longest = binding, rest, len(base)
	}
	if longest < 0 {
		return best, "", errNotFound
	}
	return best, path, nil
}
