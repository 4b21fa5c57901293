package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tmaxmax/go-sse"
)

// verdict is what the feed says of a mandate.
type verdict int

const (
	good verdict = iota
	dead
	suspended
	// stale: the feed is silent, or has not come so far.
	stale
	// unknown: it is older than what the feed was told completely.
	unknown
)

// longestLife: mandates never live longer.
const longestLife = 15 * time.Minute

type position struct {
	epoch    string
	revision uint64
}

// readPosition reads EPOCH.REVISION.HASH.
func readPosition(text string) (position, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return position{}, false
	}
	revision, err := strconv.ParseUint(parts[1], 10, 64)
	return position{parts[0], revision}, err == nil && parts[0] != ""
}

// revoked is a revocation; when it was lifted, what was decided up to through stays dead.
type revoked struct {
	at      time.Time
	through *uint64
}

// fence keeps the mandates of an earlier holder out.
type fence struct {
	through    uint64
	generation *uint64
}

type feed struct {
	http    *http.Client
	url     string
	options FeedOptions
	onKey   func()
	cancel  context.CancelFunc

	mutex     sync.Mutex
	at        *position
	complete  *position
	resetAt   time.Time
	resets    uint64
	heard     time.Time
	lastID    string
	revoked   map[string]revoked
	ended     map[string]time.Time
	suspended map[string]bool
	fenced    map[string]fence
	moved     chan struct{}
}

func newFeed(client *http.Client, target string, options FeedOptions, onKey func()) *feed {
	if options.MaxSilence == 0 {
		options.MaxSilence = 2 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &feed{http: client, url: target, options: options, onKey: onKey, cancel: cancel, moved: make(chan struct{})}
	f.reset()
	go f.run(ctx)
	return f
}

func (f *feed) close() { f.cancel() }

func (o *FeedOptions) authenticate(request *http.Request) {
	// Both parts are form-encoded inside the credentials (RFC 6749, section 2.3.1).
	request.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))
}

// judge says what the feed knows of a mandate, used on this resource.
func (f *feed) judge(claims *Claims, resourceID string) verdict {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.at == nil || time.Since(f.heard) > f.options.MaxSilence {
		return stale
	}
	decided, ok := readPosition(claims.Position)
	if !ok || decided.epoch != f.at.epoch {
		return dead
	}
	if decided.revision > f.at.revision {
		return stale
	}
	anchors := []string{claims.ID, claims.Session, claims.ClientID, claims.Zone, resourceID}
	anchors = append(append(anchors, claims.Ancestors...), claims.Path...)
	for _, anchor := range anchors {
		if _, isEnded := f.ended[anchor]; isEnded {
			return dead
		}
		if by, isRevoked := f.revoked[anchor]; isRevoked && (by.through == nil || decided.revision <= *by.through) {
			return dead
		}
	}
	if by, isFenced := f.fenced[claims.Session]; isFenced {
		isOld := by.generation != nil && claims.Generation != nil && *claims.Generation < *by.generation
		if isOld || decided.revision <= by.through {
			return dead
		}
	}
	for _, anchor := range anchors {
		if f.suspended[anchor] {
			return suspended
		}
	}
	// After a reset nobody told what had been closed before it.
	if (f.complete != nil && decided.revision > f.complete.revision) || time.Since(f.resetAt) > longestLife {
		return good
	}
	return unknown
}

// further waits until the feed has come further, at most so long.
func (f *feed) further(ctx context.Context, most time.Duration) {
	f.mutex.Lock()
	moved := f.moved
	f.mutex.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-moved:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// run listens until it is closed, and comes back after every failure.
func (f *feed) run(ctx context.Context) {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		begun := time.Now()
		// Silence tells the verifier; what follows is another try.
		_ = f.listen(ctx)
		pause = min(2*pause, 2*time.Second)
		if time.Since(begun) > 5*time.Second {
			pause = 50 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (f *feed) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	f.options.authenticate(request)
	f.mutex.Lock()
	lastID := f.lastID
	f.mutex.Unlock()
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	// A connection that died without a word is given up.
	quiet := time.AfterFunc(2*f.options.MaxSilence, cancel)
	defer quiet.Stop()
	answer, err := f.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the feed answers %s", answer.Status)
	}
	for event, err := range sse.Read(answer.Body, nil) {
		if err != nil {
			return err
		}
		quiet.Reset(2 * f.options.MaxSilence)
		if err := f.hear(event); err != nil {
			return err
		}
	}
	return nil
}

func (f *feed) reset() {
	f.revoked, f.ended = map[string]revoked{}, map[string]time.Time{}
	f.suspended, f.fenced = map[string]bool{}, map[string]fence{}
	f.at, f.complete, f.resetAt = nil, nil, time.Now()
	f.resets++
}

// resetCount tells how often it was begun anew.
func (f *feed) resetCount() uint64 {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.resets
}

func (f *feed) hear(event sse.Event) error {
	var told struct {
		Anchor     string  `json:"anchor"`
		Revision   uint64  `json:"revision"`
		Through    *uint64 `json:"through"`
		Generation *uint64 `json:"generation"`
		Position   string  `json:"position"`
	}
	if err := json.Unmarshal([]byte(event.Data), &told); err != nil {
		return err
	}
	if event.Type == "key_dropped" {
		f.onKey()
		return nil
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	through := told.Revision
	if told.Through != nil {
		through = *told.Through
	}
	switch event.Type {
	case "reset":
		f.reset()
	case "heartbeat":
		at, ok := readPosition(told.Position)
		if !ok {
			return fmt.Errorf("the position of the feed is not understood")
		}
		f.at, f.heard, f.lastID = &at, time.Now(), event.LastEventID
		if f.complete == nil {
			f.complete = &at
		}
		f.forget()
		close(f.moved)
		f.moved = make(chan struct{})
	case "revoked":
		f.revoked[told.Anchor] = revoked{at: time.Now()}
	case "lifted":
		f.revoked[told.Anchor] = revoked{at: time.Now(), through: &through}
	case "ended":
		f.ended[told.Anchor] = time.Now()
	case "suspended":
		f.suspended[told.Anchor] = true
	case "resumed":
		delete(f.suspended, told.Anchor)
	case "fenced":
		f.fenced[told.Anchor] = fence{through: through, generation: told.Generation}
	}
	return nil
}

// forget drops what no living mandate can stand on; the mutex is held.
func (f *feed) forget() {
	before := time.Now().Add(-longestLife - time.Minute)
	for anchor, at := range f.ended {
		if at.Before(before) {
			delete(f.ended, anchor)
			delete(f.suspended, anchor)
			delete(f.fenced, anchor)
		}
	}
	for anchor, by := range f.revoked {
		if strings.HasPrefix(anchor, "mnd_") && by.at.Before(before) {
			delete(f.revoked, anchor)
		}
	}
}
