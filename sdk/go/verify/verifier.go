// Package verify is for services that take mandates themselves: signature, time, audience, scope, the
// proof of a bound key, and whether it has ended since. Everything that cannot be told is refused.
package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	caracal "caracal.dev/sdk"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// leeway is how far clocks may differ.
	leeway = 60 * time.Second
	// maxProofs is how many proofs are remembered; beyond that new ones are refused for a moment.
	maxProofs = 100_000
	// keysFor is how long keys are believed without another look.
	keysFor = 5 * time.Minute
	// keysPause is the shortest time between two looks for an unknown key.
	keysPause = 5 * time.Second
	maxAnswer = 1 << 20
)

var proofAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256, jose.PS256}

// Claims are the claims of a mandate.
type Claims struct {
	jwt.Claims
	ClientID   string   `json:"client_id"`
	Zone       string   `json:"zone"`
	Scope      string   `json:"scope"`
	Session    string   `json:"sid"`
	Position   string   `json:"rev"`
	Generation *uint64  `json:"gen"`
	Ancestors  []string `json:"anc"`
	Path       []string `json:"dlg"`
	Approval   string   `json:"apr"`
	// Details are the exact requests that it is for (RFC 9396).
	Details json.RawMessage `json:"authorization_details"`
	Key     *struct {
		Thumbprint string `json:"jkt"`
	} `json:"cnf"`
}

// Verified is a mandate that holds.
type Verified struct {
	Claims Claims
	Scopes []string
	// IsBound: the caller has shown that it holds the mandate's key.
	IsBound bool
}

// FeedOptions say how this service listens to the revocation feed.
type FeedOptions struct {
	ClientID, ClientSecret string
	// MaxSilence: nothing passes when the feed was silent for longer; 2 s if 0.
	MaxSilence time.Duration
}

// Options are what a verifier is made with.
type Options struct {
	// Issuer is the zone's issuer, {sts}/zones/{zone}.
	Issuer string
	// Audience is this service's identifier, such as resource://tools.
	Audience string
	// PublicURL is this service's own URL, without a slash at the end: proofs name it, Host is not believed.
	PublicURL string
	// RequireDPoP takes only mandates that are bound to a key.
	RequireDPoP bool
	// RequireDelegation takes only mandates that go by a delegation.
	RequireDelegation bool
	// ResourceID is the id of this service's resource (res_…): the feed ends a resource by its id.
	ResourceID string
	// Feed; without it what was revoked holds here until it expires, which has to be said by NoFeed.
	Feed   *FeedOptions
	NoFeed bool
	// CA is PEM of the authorities that sign the STS's certificate, in place of the system's.
	CA []byte
}

// Request is a request as this service got it.
type Request struct {
	Authorization string
	DPoP          []string
	Method        string
	// Path is the escaped path, such as /tools/call.
	Path string
}

// introspected is a mandate that was good when the STS was asked, and since which reset of the feed.
type introspected struct {
	until time.Time
	reset uint64
}

// Verifier verifies mandates. It is safe for use by many goroutines; close it.
type Verifier struct {
	options Options
	sts     string
	http    *http.Client
	feed    *feed

	mutex   sync.Mutex
	keys    jose.JSONWebKeySet
	looked  time.Time
	good    time.Time
	proofs  map[string]time.Time
	recent  []string
	asked   map[string]introspected
	looking *sync.Mutex
}

// New makes a verifier, which begins to listen to the feed.
func New(options Options) (*Verifier, error) {
	issuer, err := url.Parse(options.Issuer)
	if err != nil || !strings.Contains(issuer.Path, "/zones/") || issuer.Host == "" {
		return nil, &caracal.Error{Code: caracal.ErrSettings.Code, Message: "`" + options.Issuer + "` is no issuer of a zone"}
	}
	if (options.Feed == nil) != options.NoFeed {
		return nil, &caracal.Error{Code: caracal.ErrSettings.Code, Message: "name the revocation feed, or say NoFeed"}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if options.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(options.CA) {
			return nil, &caracal.Error{Code: caracal.ErrSettings.Code, Message: "the authority is no PEM certificate"}
		}
	}
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	verifier := &Verifier{
		options: options,
		sts:     issuer.Scheme + "://" + issuer.Host,
		http:    &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, CheckRedirect: never},
		proofs:  map[string]time.Time{},
		asked:   map[string]introspected{},
		looking: &sync.Mutex{},
	}
	if options.Feed != nil {
		verifier.feed = newFeed(verifier.http, verifier.sts+"/v1/revocations/stream", *options.Feed, verifier.forgetKeys)
	}
	return verifier, nil
}

// Close stops listening.
func (v *Verifier) Close() {
	if v.feed != nil {
		v.feed.close()
	}
	v.http.CloseIdleConnections()
}

// Verify verifies what a request presents, and that it has all the scopes. It fails with a
// *caracal.Error of the Gateway's codes.
func (v *Verifier) Verify(ctx context.Context, request Request, scopes ...string) (*Verified, error) {
	scheme, text, found := strings.Cut(strings.TrimSpace(request.Authorization), " ")
	scheme, text = strings.ToLower(scheme), strings.TrimSpace(text)
	if !found || (scheme != "bearer" && scheme != "dpop") || text == "" || strings.Contains(text, " ") {
		return nil, refused(caracal.ErrMandateMissing, 401, "the request carries no mandate")
	}
	claims, err := v.read(ctx, text)
	if err != nil {
		return nil, err
	}
	isBound := claims.Key != nil && claims.Key.Thumbprint != ""
	switch {
	case isBound && scheme != "dpop":
		return nil, refused(caracal.ErrProofInvalid, 401, "the mandate is bound to a key: present it as `DPoP`")
	case !isBound && scheme == "dpop":
		return nil, refused(caracal.ErrMandateInvalid, 401, "the mandate is bound to no key")
	case !isBound && v.options.RequireDPoP:
		return nil, refused(caracal.ErrProofInvalid, 401, "this service takes mandates that are bound to a key")
	case len(claims.Details) > 0:
		// Which requests it names is for the server to say: ask POST /v1/decide about them.
		return nil, refused(caracal.ErrActionNotAuthorized, 403, "the mandate is for exact requests, which this service does not judge")
	case v.options.RequireDelegation && len(claims.Path) == 0:
		return nil, refused(caracal.ErrScopeMissing, 403, "this service takes delegated authority only")
	}
	has := strings.Fields(claims.Scope)
	for _, scope := range scopes {
		if !slices.Contains(has, scope) {
			return nil, refused(caracal.ErrScopeMissing, 403, "the mandate lacks the scope `"+scope+"`")
		}
	}
	if isBound {
		if err := v.prove(request, text, claims.Key.Thumbprint); err != nil {
			return nil, err
		}
	}
	if err := v.alive(ctx, text, claims); err != nil {
		return nil, err
	}
	return &Verified{Claims: *claims, Scopes: has, IsBound: isBound}, nil
}

// read verifies signature, type, issuer, time and audience.
func (v *Verifier) read(ctx context.Context, text string) (*Claims, error) {
	invalid := func(cause string) error {
		return refused(caracal.ErrMandateInvalid, 401, "the mandate is not one of this zone, or its signature does not hold: "+cause)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || len(token.Headers) != 1 {
		return nil, invalid("it is no JWT")
	}
	head := token.Headers[0]
	if kind, _ := head.ExtraHeaders[jose.HeaderType].(string); !strings.EqualFold(kind, "at+jwt") {
		return nil, invalid("it is of another type")
	}
	key, err := v.key(ctx, head.KeyID)
	if err != nil {
		return nil, err
	}
	claims := &Claims{}
	if key == nil || token.Claims(key, claims) != nil {
		return nil, invalid("no key of the zone has signed it")
	}
	now := time.Now()
	switch {
	case claims.Issuer != v.options.Issuer:
		return nil, invalid("it is of another issuer")
	case claims.Expiry == nil || claims.IssuedAt == nil || claims.ID == "" || claims.ClientID == "" || claims.Session == "" || claims.Position == "":
		return nil, invalid("a claim is missing")
	case now.After(claims.Expiry.Time().Add(5 * time.Second)):
		return nil, refused(caracal.ErrMandateExpired, 401, "the mandate has expired")
	case claims.IssuedAt.Time().After(now.Add(leeway)):
		return nil, invalid("it is not of this time")
	case !claims.Audience.Contains(v.options.Audience):
		return nil, refused(caracal.ErrResourceMismatch, 403, "the mandate is for another resource")
	}
	return claims, nil
}

// key finds a key of the zone, and looks again for one that it does not know.
func (v *Verifier) key(ctx context.Context, id string) (*jose.JSONWebKey, error) {
	find := func() (*jose.JSONWebKey, bool) {
		v.mutex.Lock()
		defer v.mutex.Unlock()
		found := v.keys.Key(id)
		isFresh := time.Since(v.good) < keysFor
		if isFresh && id != "" && len(found) == 1 {
			return &found[0], true
		}
		return nil, time.Since(v.looked) < keysPause && isFresh
	}
	if key, isSure := find(); isSure {
		return key, nil
	}
	// One looks, the others wait for what it finds.
	v.looking.Lock()
	defer v.looking.Unlock()
	if key, isSure := find(); isSure {
		return key, nil
	}
	v.mutex.Lock()
	isTooSoon := time.Since(v.looked) < keysPause
	v.looked = time.Now()
	v.mutex.Unlock()
	if isTooSoon {
		return nil, refused(caracal.ErrFeedStale, 503, "the zone's keys cannot be fetched")
	}
	var keys jose.JSONWebKeySet
	if err := v.ask(ctx, http.MethodGet, v.options.Issuer+"/jwks.json", nil, &keys); err != nil {
		return nil, refused(caracal.ErrFeedStale, 503, "the zone's keys cannot be fetched")
	}
	v.mutex.Lock()
	v.keys, v.good = keys, time.Now()
	v.mutex.Unlock()
	key, _ := find()
	return key, nil
}

func (v *Verifier) forgetKeys() {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.keys, v.good, v.looked = jose.JSONWebKeySet{}, time.Time{}, time.Time{}
}

func (v *Verifier) ask(ctx context.Context, method, target string, form url.Values, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		v.options.Feed.authenticate(request)
	}
	answer, err := v.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return refused(caracal.ErrTemporarilyUnavailable, 503, "the STS answers "+answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	return json.NewDecoder(bytes.NewReader(text)).Decode(out)
}

// prove checks the proof that came with a bound mandate (RFC 9449).
func (v *Verifier) prove(request Request, mandate, thumbprint string) error {
	wrong := func(why string) error { return refused(caracal.ErrProofInvalid, 401, why) }
	if len(request.DPoP) != 1 {
		return wrong("the request has no proof, or several")
	}
	if v.options.PublicURL == "" {
		return wrong("this service does not know its own URL")
	}
	token, err := jwt.ParseSigned(request.DPoP[0], proofAlgorithms)
	if err != nil || len(token.Headers) != 1 || token.Headers[0].JSONWebKey == nil {
		return wrong("the proof is not valid")
	}
	head := token.Headers[0]
	kind, _ := head.ExtraHeaders[jose.HeaderType].(string)
	if kind != "dpop+jwt" || !head.JSONWebKey.IsPublic() {
		return wrong("the proof is not valid")
	}
	print, err := head.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil || base64.RawURLEncoding.EncodeToString(print) != thumbprint {
		return wrong("the proof is by another key")
	}
	var claims struct {
		jwt.Claims
		Method string `json:"htm"`
		URL    string `json:"htu"`
		Hash   string `json:"ath"`
	}
	if token.Claims(head.JSONWebKey, &claims) != nil {
		return wrong("the signature of the proof does not hold")
	}
	hash := sha256.Sum256([]byte(mandate))
	switch {
	case claims.Method != request.Method:
		return wrong("the proof is for another method")
	case claims.URL != v.options.PublicURL+request.Path:
		return wrong("the proof is for another URL")
	case claims.Hash != base64.RawURLEncoding.EncodeToString(hash[:]):
		return wrong("the proof is for another mandate")
	case claims.IssuedAt == nil || time.Since(claims.IssuedAt.Time()).Abs() > leeway:
		return wrong("the proof is not of this time")
	case claims.ID == "" || len(claims.ID) > 256:
		return wrong("the proof has no good `jti`")
	}
	return v.once(thumbprint + " " + claims.ID)
}

// once takes a proof once.
func (v *Verifier) once(id string) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	now := time.Now()
	for len(v.recent) > 0 && v.proofs[v.recent[0]].Before(now) {
		delete(v.proofs, v.recent[0])
		v.recent = v.recent[1:]
	}
	if _, ok := v.proofs[id]; ok {
		return refused(caracal.ErrMandateReplayed, 401, "the proof was used before")
	}
	if len(v.proofs) >= maxProofs {
		return refused(caracal.ErrOverloaded, 503, "too many proofs at once: try again")
	}
	v.proofs[id] = now.Add(2 * leeway)
	v.recent = append(v.recent, id)
	return nil
}

// alive asks the feed whether the mandate, or what it stands on, has ended.
func (v *Verifier) alive(ctx context.Context, text string, claims *Claims) error {
	if v.feed == nil {
		return nil
	}
	verdict := v.feed.judge(claims, v.options.ResourceID)
	for until := time.Now().Add(time.Second); verdict == stale && time.Now().Before(until); {
		v.feed.further(ctx, time.Until(until))
		if err := ctx.Err(); err != nil {
			return err
		}
		verdict = v.feed.judge(claims, v.options.ResourceID)
	}
	switch verdict {
	case good:
		return nil
	case dead:
		return refused(caracal.ErrMandateRevoked, 401, "the mandate, or what it stands on, has ended")
	case suspended:
		return refused(caracal.ErrSessionSuspended, 403, "the session is suspended")
	case unknown:
		return v.introspect(ctx, text, claims)
	default:
		return refused(caracal.ErrFeedStale, 503, "the revocation feed is silent: nothing can be told")
	}
}

// introspect asks the STS once about a mandate that is older than what the feed knows.
func (v *Verifier) introspect(ctx context.Context, text string, claims *Claims) error {
	// After another reset nobody has told what was closed since it was asked.
	reset := v.feed.resetCount()
	v.mutex.Lock()
	known := v.asked[claims.ID]
	isKnown := known.until.After(time.Now()) && known.reset == reset
	v.mutex.Unlock()
	if isKnown {
		return nil
	}
	var answer struct {
		Active bool `json:"active"`
	}
	if err := v.ask(ctx, http.MethodPost, v.sts+"/oauth/2/introspect", url.Values{"token": {text}}, &answer); err != nil {
		return refused(caracal.ErrFeedStale, 503, "the STS cannot be asked about an older mandate")
	}
	if !answer.Active {
		return refused(caracal.ErrMandateRevoked, 401, "the mandate, or what it stands on, has ended")
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	for id, known := range v.asked {
		if known.until.Before(time.Now()) {
			delete(v.asked, id)
		}
	}
	v.asked[claims.ID] = introspected{claims.Expiry.Time(), reset}
	return nil
}

func refused(kind *caracal.Error, status int, message string) *caracal.Error {
	return &caracal.Error{Code: kind.Code, Status: status, Message: message}
}
