package caracal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Grant is scopes on one resource.
type Grant struct {
	Resource string   `json:"resource"`
	Scopes   []string `json:"scopes"`
}

// Budget is how much may be used, over a whole tree.
type Budget struct {
	Calls uint64 `json:"calls"`
}

// SessionRequest is a session to open.
type SessionRequest struct {
	// Labels that the application is registered for.
	Labels     []string `json:"labels,omitempty"`
	TTLSeconds int      `json:"ttl_seconds,omitempty"`
	// HeartbeatSeconds: without a heartbeat for so long it ends; they are sent by themselves.
	HeartbeatSeconds int `json:"heartbeat_seconds,omitempty"`
	// Authority is what it may do at most; for a child all that its parent may, if nil.
	Authority []Grant `json:"authority,omitempty"`
	Budget    *Budget `json:"budget,omitempty"`
	// SubjectToken is the ID token of the user it works for.
	SubjectToken string `json:"subject_token,omitempty"`
}

// DelegationRequest is a delegation to make.
type DelegationRequest struct {
	ToSession     string  `json:"to_session,omitempty"`
	ToApplication string  `json:"to_application,omitempty"`
	Authority     []Grant `json:"authority"`
	TTLSeconds    int     `json:"ttl_seconds"`
	MaxDepth      *int    `json:"max_depth,omitempty"`
	Budget        *Budget `json:"budget,omitempty"`
}

// Delegation is authority that one session lends another.
type Delegation struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Session is one governed run of work. It is its own holder: after the opening only its session
// mandate, which is bound to the client's key and renewed by itself, acts for it. Close it.
type Session struct {
	authority
	ID        string
	ExpiresAt time.Time
	Labels    []string
	// Subject is the user it works for, if any.
	Subject string

	parent     asker
	mutex      sync.Mutex
	generation uint64
	text       string
	renewAt    time.Time
	endsAt     time.Time
	renewing   *minting
	isClosed   bool
	stop       chan struct{}
}

// opened is what the STS tells of a new session.
type opened struct {
	ID         string    `json:"id"`
	Generation uint64    `json:"generation"`
	ExpiresAt  time.Time `json:"expires_at"`
	Labels     []string  `json:"labels"`
	Subject    string    `json:"subject"`
	Mandate    string    `json:"session_mandate"`
	Life       int       `json:"session_mandate_expires_in"`
}

func open(ctx context.Context, shared *parts, by asker, request SessionRequest, parentID string) (*Session, error) {
	type confirmation struct {
		JKT string `json:"jkt"`
	}
	body := struct {
		SessionRequest
		ParentID string        `json:"parent_id,omitempty"`
		Cnf      *confirmation `json:"cnf,omitempty"`
	}{SessionRequest: request, ParentID: parentID}
	if by.key != nil {
		body.Cnf = &confirmation{by.key.thumbprint}
	}
	var told opened
	asked := question{asker: by, method: http.MethodPost, path: "/v1/sessions", json: body, idemKey: rand.Text()}
	if err := shared.sts.ask(ctx, asked, &told); err != nil {
		return nil, err
	}
	session := &Session{
		ID: told.ID, ExpiresAt: told.ExpiresAt, Labels: told.Labels, Subject: told.Subject,
		parent: by, generation: told.Generation, stop: make(chan struct{}),
	}
	if told.Mandate != "" {
		session.take(told.Mandate, time.Duration(told.Life)*time.Second)
	}
	session.parts = shared
	session.asker = session.own
	session.mandates = &mandates{sts: shared.sts, asker: session.own, more: url.Values{"session_id": {told.ID}}, ttl: shared.ttl}
	if request.HeartbeatSeconds > 0 {
		go session.beat(time.Duration(request.HeartbeatSeconds) * time.Second / 3)
	}
	return session, nil
}

// own is who asks for the session: its holder.
func (s *Session) own() (asker, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.isClosed {
		return asker{}, because(ErrClosed, "the session `%s` is closed", s.ID)
	}
	return asker{credential: credential{mandate: s.sessionMandate}, key: s.parent.key}, nil
}

// Child opens a part of this session with all that it may, or less.
func (s *Session) Child(ctx context.Context, request SessionRequest) (*Session, error) {
	by, err := s.own()
	if err != nil {
		return nil, err
	}
	return open(ctx, s.parts, by, request, s.ID)
}

// Delegate lends a slice of this session's authority.
func (s *Session) Delegate(ctx context.Context, request DelegationRequest) (*Delegation, error) {
	body := struct {
		From string `json:"from_session"`
		DelegationRequest
	}{s.ID, request}
	lent := &Delegation{}
	return lent, s.ask(ctx, http.MethodPost, "/v1/delegations", body, rand.Text(), lent)
}

// Accept takes a delegation that was offered.
func (s *Session) Accept(ctx context.Context, delegationID string) (*Delegation, error) {
	taken := &Delegation{}
	body := map[string]string{"session_id": s.ID}
	return taken, s.ask(ctx, http.MethodPost, "/v1/delegations/"+url.PathEscape(delegationID)+"/accept", body, "", taken)
}

// EndDelegation ends a delegation, and everything that stands on it.
func (s *Session) EndDelegation(ctx context.Context, delegationID string) error {
	return s.ask(ctx, http.MethodDelete, "/v1/delegations/"+url.PathEscape(delegationID), nil, "", nil)
}

// Authority tells what it may do, by each of its paths, as the STS writes it.
func (s *Session) Authority(ctx context.Context) (json.RawMessage, error) {
	var told json.RawMessage
	err := s.ask(ctx, http.MethodGet, "/v1/sessions/"+s.ID+"/authority", nil, "", &told)
	return told, err
}

// Suspend stops everything until it is resumed; running calls are cut.
func (s *Session) Suspend(ctx context.Context) error {
	return s.ask(ctx, http.MethodPost, "/v1/sessions/"+s.ID+"/suspend", struct{}{}, "", nil)
}

// Resume lets it go on. A suspended session has no say: whoever opened it resumes it.
func (s *Session) Resume(ctx context.Context) error {
	asked := question{asker: s.parent, method: http.MethodPost, path: "/v1/sessions/" + s.ID + "/resume", json: struct{}{}}
	return s.parts.sts.ask(ctx, asked, nil)
}

// Heartbeat tells that the holder is there. With HeartbeatSeconds this goes by itself.
func (s *Session) Heartbeat(ctx context.Context) error {
	s.mutex.Lock()
	body := map[string]uint64{"generation": s.generation}
	s.mutex.Unlock()
	return s.ask(ctx, http.MethodPost, "/v1/sessions/"+s.ID+"/heartbeat", body, "", nil)
}

func (s *Session) beat(every time.Duration) {
	// Three tries within the time; a failure shows at the next use.
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			ctx, cancel := context.WithTimeout(context.Background(), every)
			_ = s.Heartbeat(ctx)
			cancel()
		}
	}
}

// Close closes it: everything below ends. One that has ended otherwise, or was closed, is no error.
func (s *Session) Close(ctx context.Context) error {
	by, err := s.own()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	asked := question{asker: by, method: http.MethodDelete, path: "/v1/sessions/" + s.ID}
	err = s.parts.sts.ask(ctx, asked, nil)
	s.mutex.Lock()
	if !s.isClosed {
		s.isClosed = true
		s.text = ""
		close(s.stop)
	}
	s.mutex.Unlock()
	s.mandates.clear()
	// A session that has ended is unknown, and its mandate no credential.
	if errors.Is(err, ErrInvalidGrant) || errors.Is(err, ErrInvalidClient) {
		return nil
	}
	return err
}

func (s *Session) ask(ctx context.Context, method, path string, body any, idemKey string, out any) error {
	by, err := s.own()
	if err != nil {
		return err
	}
	return s.parts.sts.ask(ctx, question{asker: by, method: method, path: path, json: body, idemKey: idemKey}, out)
}

func (s *Session) take(text string, life time.Duration) {
	s.text = text
	s.renewAt = time.Now().Add(life * 3 / 4)
	s.endsAt = time.Now().Add(life - tooOld)
}

// sessionMandate gives the session mandate, renewed before it ends: once, however many ask.
func (s *Session) sessionMandate(ctx context.Context) (string, error) {
	s.mutex.Lock()
	now := time.Now()
	if s.text != "" && now.Before(s.renewAt) {
		defer s.mutex.Unlock()
		return s.text, nil
	}
	if s.renewing == nil {
		s.renewing = s.renew(ctx)
	}
	running, old, isGood := s.renewing, s.text, s.text != "" && now.Before(s.endsAt)
	s.mutex.Unlock()
	if isGood {
		return old, nil
	}
	select {
	case <-running.done:
		if running.err != nil {
			return "", running.err
		}
		return running.mandate.text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// renew asks for the next session mandate beside whoever waits; the mutex is held. While the old one
// is good it renews itself; later whoever opened the session does.
func (s *Session) renew(ctx context.Context) *minting {
	by := s.parent
	if old := s.text; old != "" && time.Now().Before(s.endsAt) {
		by.credential = credential{mandate: func(context.Context) (string, error) { return old, nil }}
	}
	running := &minting{done: make(chan struct{})}
	ctx = context.WithoutCancel(ctx)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, mintTime)
		defer cancel()
		form := url.Values{"grant_type": {"client_credentials"}, "session_id": {s.ID}}
		var answer tokenAnswer
		asked := question{asker: by, method: http.MethodPost, path: "/oauth/2/token", form: form}
		running.err = s.parts.sts.ask(ctx, asked, &answer)
		if running.err == nil {
			running.mandate, running.err = answer.mandate()
		}
		s.mutex.Lock()
		s.renewing = nil
		if running.err == nil && !s.isClosed {
			s.take(running.mandate.text, running.mandate.life)
		}
		s.mutex.Unlock()
		close(running.done)
	}()
	return running
}
