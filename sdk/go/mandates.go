package caracal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MandateRequest says what a mandate is for.
type MandateRequest struct {
	// Resources are identifiers such as resource://openai.
	Resources []string
	// Scopes are all or nothing; without any, all that is allowed now.
	Scopes     []string
	TTLSeconds int
	// DelegationID is the delegation to go by, where several suffice.
	DelegationID string
	// ApprovalID is what a person has approved; it is good for one mandate.
	ApprovalID string
	// AuthorizationDetails are exact actions (RFC 9396).
	AuthorizationDetails []any
}

// Mandate is short-lived, signed authority. Whoever has it and, when it is bound, the key can use it.
type Mandate struct {
	// Type is DPoP when it is bound to the client's key, else Bearer.
	Type   string
	Scopes []string
	// ExpiresAt is when it ends, by this machine's clock.
	ExpiresAt time.Time

	life time.Duration
	text string
}

// Reveal gives the mandate itself.
func (m *Mandate) Reveal() string { return m.text }

// String says nothing that can be used.
func (m *Mandate) String() string {
	return m.Type + " mandate for " + strings.Join(m.Scopes, " ") + " until " + m.ExpiresAt.Format(time.RFC3339)
}

// GoString is what %#v shows, which would else reveal the text.
func (m *Mandate) GoString() string { return m.String() }

// tokenAnswer is the answer of the token endpoint.
type tokenAnswer struct {
	Text    string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Scope   string `json:"scope"`
}

func (a tokenAnswer) mandate() (*Mandate, error) {
	if a.Text == "" || a.Expires <= 0 {
		return nil, because(ErrAnswer, "the answer of the STS has no mandate")
	}
	life := time.Duration(a.Expires) * time.Second
	kind := "Bearer"
	if strings.EqualFold(a.Type, "DPoP") {
		kind = "DPoP"
	}
	return &Mandate{Type: kind, Scopes: strings.Fields(a.Scope), ExpiresAt: time.Now().Add(life), life: life, text: a.Text}, nil
}

const (
	// maxKept is how many different mandates are kept.
	maxKept = 256
	// tooOld: with less left than this a mandate is not used any more.
	tooOld = 5 * time.Second
	// mintTime bounds a mint that several callers wait for: none of them can give it up alone.
	mintTime = 30 * time.Second
)

// minting is one mint that everybody who wants the same waits for.
type minting struct {
	done    chan struct{}
	mandate *Mandate
	err     error
}

type kept struct {
	mandate *Mandate
	minting *minting
	used    time.Time
}

// mandates keeps them while they are good, and renews them before they end: once, however many ask.
type mandates struct {
	sts    *sts
	asker  func() (asker, error)
	more   url.Values
	ttl    int
	mutex  sync.Mutex
	byWhat map[string]*kept
}

func (m *mandates) get(ctx context.Context, request MandateRequest) (*Mandate, error) {
	if request.TTLSeconds == 0 {
		request.TTLSeconds = m.ttl
	}
	if request.ApprovalID != "" {
		return m.mint(ctx, request)
	}
	what := request
	what.Resources, what.Scopes = slices.Sorted(slices.Values(request.Resources)), slices.Sorted(slices.Values(request.Scopes))
	key, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	m.mutex.Lock()
	found := m.find(string(key))
	if found.mandate != nil && time.Until(found.mandate.ExpiresAt) > found.mandate.life/4 {
		defer m.mutex.Unlock()
		return found.mandate, nil
	}
	if found.minting == nil {
		found.minting = m.begin(ctx, found, request)
	}
	running, old := found.minting, found.mandate
	m.mutex.Unlock()
	if old != nil && time.Until(old.ExpiresAt) > tooOld {
		// It is renewed beside the calls; should that fail, the next one tries again.
		return old, nil
	}
	select {
	case <-running.done:
		return running.mandate, running.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// find gives the place of a key; the mutex is held.
func (m *mandates) find(key string) *kept {
	if m.byWhat == nil {
		m.byWhat = map[string]*kept{}
	}
	found, ok := m.byWhat[key]
	if !ok {
		if len(m.byWhat) >= maxKept {
			var oldest string
			for other, place := range m.byWhat {
				if oldest == "" || place.used.Before(m.byWhat[oldest].used) {
					oldest = other
				}
			}
			delete(m.byWhat, oldest)
		}
		found = &kept{}
		m.byWhat[key] = found
	}
	found.used = time.Now()
	return found
}

// begin mints beside whoever waits; the mutex is held.
func (m *mandates) begin(ctx context.Context, place *kept, request MandateRequest) *minting {
	running := &minting{done: make(chan struct{})}
	ctx = context.WithoutCancel(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, mintTime)
		defer cancel()
		running.mandate, running.err = m.mint(ctx, request)
		m.mutex.Lock()
		place.minting = nil
		if running.err == nil {
			place.mandate = running.mandate
		}
		m.mutex.Unlock()
		close(running.done)
	}()
	return running
}

// forget drops a mandate that turned out to be dead.
func (m *mandates) forget(mandate *Mandate) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, place := range m.byWhat {
		if place.mandate == mandate {
			place.mandate = nil
		}
	}
}

func (m *mandates) clear() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.byWhat = nil
}

func (m *mandates) mint(ctx context.Context, request MandateRequest) (*Mandate, error) {
	who, err := m.asker()
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type":  {"client_credentials"},
		"resource":    request.Resources,
		"ttl_seconds": {strconv.Itoa(request.TTLSeconds)},
	}
	if request.Scopes != nil {
		form.Set("scope", strings.Join(request.Scopes, " "))
	}
	if request.DelegationID != "" {
		form.Set("delegation_id", request.DelegationID)
	}
	if request.ApprovalID != "" {
		form.Set("approval_id", request.ApprovalID)
	}
	if request.AuthorizationDetails != nil {
		details, err := json.Marshal(request.AuthorizationDetails)
		if err != nil {
			return nil, err
		}
		form.Set("authorization_details", string(details))
	}
	for name, values := range m.more {
		form[name] = values
	}
	var answer tokenAnswer
	asked := question{asker: who, method: http.MethodPost, path: "/oauth/2/token", form: form}
	if err := m.sts.ask(ctx, asked, &answer); err != nil {
		return nil, err
	}
	return answer.mandate()
}

// getApproved waits for a person where policy holds the mandate.
func (m *mandates) getApproved(ctx context.Context, request MandateRequest, approval *Approval) (*Mandate, error) {
	mandate, err := m.get(ctx, request)
	var failed *Error
	if approval == nil || !errors.Is(err, ErrInteractionRequired) || !errors.As(err, &failed) || failed.ApprovalID == "" {
		return mandate, err
	}
	if err := waitForApproval(ctx, m.sts, m.asker, failed.ApprovalID, approval); err != nil {
		return nil, err
	}
	request.ApprovalID = failed.ApprovalID
	return m.get(ctx, request)
}
