// Package caracal gives programs short-lived, policy-approved authority in place of long-lived keys:
// sessions, delegation, governed calls. Package verify is for services that take mandates themselves.
package caracal

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeMandate   = "urn:ietf:params:oauth:token-type:access_token"
)

// Options are what a client is made with.
type Options struct {
	Settings
	// Bearer asks for bearer mandates, which whoever sees them can use. By default mandates are bound
	// to a key of this client.
	Bearer bool
	// Assertion makes an assertion (RFC 7523) in place of a client secret.
	Assertion func(context.Context) (string, error)
	// AllowDirect names hosts that calls may reach without the Gateway.
	AllowDirect []string
	// CA is PEM of the authorities that sign the certificates of STS and Gateway, in place of the system's.
	CA []byte
	// Timeout is how long an answer of the STS may take; 10 s if 0.
	Timeout time.Duration
	// Environment reads a variable; os.Getenv if nil.
	Environment func(string) string
}

// Client is the client of one application. It is safe for use by many goroutines.
type Client struct {
	authority
	settings Settings
	wire     *wire
}

// New makes a client of what is said, the environment and the profile, in this order. Nothing is sent
// yet; what is missing, doubtful or unsafe is [ErrSettings].
func New(options Options) (*Client, error) {
	environment := options.Environment
	if environment == nil {
		environment = os.Getenv
	}
	settings, err := resolve(options.Settings, environment, options.Assertion == nil)
	if err != nil {
		return nil, err
	}
	wire, err := newWire(options.CA, options.Timeout)
	if err != nil {
		return nil, err
	}
	by := asker{credential: credential{id: settings.ApplicationID, secret: settings.ClientSecret, assertion: options.Assertion}}
	if !options.Bearer {
		if by.key, err = newProofKey(wire.now); err != nil {
			return nil, err
		}
	}
	shared := &parts{
		sts:      &sts{url: settings.STSURL, wire: wire},
		gateway:  &gateway{base: settings.GatewayURL + "/zones/" + settings.ZoneID + "/r/", wire: wire},
		bindings: settings.Credentials,
		direct:   map[string]bool{},
		ttl:      settings.DefaultTTLSeconds,
	}
	for _, host := range options.AllowDirect {
		shared.direct[host] = true
	}
	settings.ClientSecret, settings.ClientSecretFile = "", ""
	who := func() (asker, error) { return by, nil }
	own := &mandates{sts: shared.sts, asker: who, ttl: shared.ttl}
	return &Client{authority: authority{parts: shared, asker: who, mandates: own}, settings: settings, wire: wire}, nil
}

// Settings are those in force, without the secret.
func (c *Client) Settings() Settings { return c.settings }

// Session opens a session. Close it, also on failure: defer session.Close(ctx).
func (c *Client) Session(ctx context.Context, request SessionRequest) (*Session, error) {
	by, err := c.asker()
	if err != nil {
		return nil, err
	}
	return open(ctx, c.parts, by, request, "")
}

// ExchangeRequest says what a mandate is narrowed to.
type ExchangeRequest struct {
	Mandate    *Mandate
	Resources  []string
	Scopes     []string
	TTLSeconds int
}

// Exchange exchanges a mandate for a narrower one (RFC 8693), which never outlives it.
func (c *Client) Exchange(ctx context.Context, request ExchangeRequest) (*Mandate, error) {
	form := url.Values{
		"grant_type":         {grantExchange},
		"subject_token":      {request.Mandate.text},
		"subject_token_type": {typeMandate},
		"resource":           request.Resources,
	}
	if request.Scopes != nil {
		form.Set("scope", strings.Join(request.Scopes, " "))
	}
	if request.TTLSeconds > 0 {
		form.Set("ttl_seconds", strconv.Itoa(request.TTLSeconds))
	}
	by, err := c.asker()
	if err != nil {
		return nil, err
	}
	var answer tokenAnswer
	asked := question{asker: by, method: http.MethodPost, path: "/oauth/2/token", form: form}
	if err := c.parts.sts.ask(ctx, asked, &answer); err != nil {
		return nil, err
	}
	return answer.mandate()
}

// Revoke revokes a mandate (RFC 7009), and everything that stands on it.
func (c *Client) Revoke(ctx context.Context, mandate *Mandate) error {
	by, err := c.asker()
	if err != nil {
		return err
	}
	form := url.Values{"token": {mandate.text}}
	c.mandates.forget(mandate)
	return c.parts.sts.ask(ctx, question{asker: by, method: http.MethodPost, path: "/oauth/2/revoke", form: form}, nil)
}

// Close closes idle connections. Sessions that are open end by their own time.
func (c *Client) Close() {
	c.mandates.clear()
	c.wire.http.CloseIdleConnections()
}
