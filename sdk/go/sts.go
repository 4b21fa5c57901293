package caracal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxAnswer is the most that an answer of the STS may have, in bytes.
	maxAnswer = 1 << 20
	// attempts is how often a request is sent that was not taken.
	attempts      = 4
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// wire is the HTTP client of one Client: its own connections, authorities and limits.
type wire struct {
	http    *http.Client
	timeout time.Duration
	// offset is the server's clock minus ours, in nanoseconds, as far as its answers tell.
	offset atomic.Int64
}

func newWire(ca []byte, timeout time.Duration) (*wire, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, because(ErrSettings, "the authority is no PEM certificate")
		}
	}
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	transport := &http.Transport{
		TLSClientConfig:     config,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     60 * time.Second,
	}
	never := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &wire{http: &http.Client{Transport: transport, CheckRedirect: never}, timeout: timeout}, nil
}

func (w *wire) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// send sends a request; redirects are never followed.
func (w *wire) send(request *http.Request) (*http.Response, error) {
	answer, err := w.http.Do(request)
	if err != nil {
		return nil, failure(request.URL, err)
	}
	return answer, nil
}

// setClock takes the server's time from an answer of the STS: others are not believed.
func (w *wire) setClock(answer *http.Response) {
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	// The header has whole seconds: a smaller difference says nothing.
	offset := time.Until(date)
	if offset.Abs() < 2*time.Second {
		offset = 0
	}
	w.offset.Store(int64(offset))
}

func failure(target *url.URL, err error) error {
	origin := target.Scheme + "://" + target.Host
	var timeout net.Error
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return because(ErrTimedOut, "`%s` did not answer in time", origin).causedBy(err)
	}
	// What net/http says repeats the URL, which may hold what is not for a log.
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return because(ErrConnection, "`%s` cannot be reached: %v", origin, err).causedBy(err)
}

// credential says who asks.
type credential struct {
	id     string
	secret string
	// assertion makes an assertion (RFC 7523) in place of the secret.
	assertion func(context.Context) (string, error)
	// mandate gives the session mandate of the holder of a session.
	mandate func(context.Context) (string, error)
}

// asker is who asks and with which key.
type asker struct {
	credential credential
	key        *proofKey
}

// question is what is asked of the STS.
type question struct {
	asker
	method  string
	path    string
	form    url.Values
	json    any
	idemKey string
	timeout time.Duration
}

type sts struct {
	url  string
	wire *wire
}

// ask asks, and reads the answer into out. What the STS refused before it did anything is sent
// again: a proof that lacks a nonce, and 503 of requests that are safe to repeat.
func (s *sts) ask(ctx context.Context, asked question, out any) error {
	isSafe := asked.method == http.MethodGet || asked.form != nil || asked.idemKey != ""
	hadNonce := false
	for attempt := 1; ; attempt++ {
		status, header, body, err := s.once(ctx, asked)
		if err != nil {
			return err
		}
		nonce := header.Get("DPoP-Nonce")
		if asked.key != nil {
			asked.key.hear(nonce)
		}
		if status < 300 {
			if out == nil || len(body) == 0 {
				return nil
			}
			if err := json.Unmarshal(body, out); err != nil {
				return because(ErrAnswer, "the answer of the STS is not what was asked for").causedBy(err)
			}
			return nil
		}
		failed := errorOfAnswer(status, header, body)
		if errors.Is(failed, ErrUseDPoPNonce) && asked.key != nil && nonce != "" && !hadNonce {
			hadNonce = true
			continue
		}
		isPassing := errors.Is(failed, ErrTemporarilyUnavailable) || errors.Is(failed, ErrFeedStale)
		if !isSafe || attempt >= attempts || !isPassing {
			return failed
		}
		if err := pause(ctx, attempt); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(50 * time.Millisecond << attempt)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (s *sts) once(ctx context.Context, asked question) (int, http.Header, []byte, error) {
	limit := asked.timeout
	if limit == 0 {
		limit = s.wire.timeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	header := http.Header{"Accept": {"application/json"}}
	form := url.Values{}
	for name, values := range asked.form {
		form[name] = values
	}
	mandate, err := authenticate(ctx, asked, header, form)
	if err != nil {
		return 0, nil, nil, err
	}
	var body io.Reader
	switch {
	case asked.form != nil:
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		body = strings.NewReader(form.Encode())
	case asked.json != nil:
		text, err := json.Marshal(asked.json)
		if err != nil {
			return 0, nil, nil, err
		}
		header.Set("Content-Type", "application/json")
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, asked.method, s.url+asked.path, body)
	if err != nil {
		return 0, nil, nil, because(ErrSettings, "the URL of the STS is not good").causedBy(err)
	}
	request.Header = header
	if asked.key != nil {
		proof, err := asked.key.prove(asked.method, request.URL, mandate)
		if err != nil {
			return 0, nil, nil, err
		}
		header.Set("DPoP", proof)
	}
	if asked.idemKey != "" {
		header.Set("Idempotency-Key", asked.idemKey)
	}
	answer, err := s.wire.send(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	s.wire.setClock(answer)
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, nil, failure(request.URL, err)
	}
	if len(text) > maxAnswer {
		return 0, nil, nil, because(ErrAnswer, "the answer of the STS is too large")
	}
	return answer.StatusCode, answer.Header, text, nil
}

// authenticate adds who asks; it gives the session mandate that a proof has to name.
func authenticate(ctx context.Context, asked question, header http.Header, form url.Values) (string, error) {
	who := asked.credential
	basic := func(password string) {
		// Both parts are form-encoded inside the credentials (RFC 6749, section 2.3.1).
		request := http.Request{Header: header}
		request.SetBasicAuth(url.QueryEscape(who.id), url.QueryEscape(password))
	}
	switch {
	case who.mandate != nil:
		mandate, err := who.mandate(ctx)
		if err != nil {
			return "", err
		}
		if asked.key == nil {
			header.Set("Authorization", "Bearer "+mandate)
			return "", nil
		}
		header.Set("Authorization", "DPoP "+mandate)
		return mandate, nil
	case who.assertion != nil:
		assertion, err := who.assertion(ctx)
		if err != nil {
			return "", fmt.Errorf("caracal: no assertion: %w", err)
		}
		if asked.form == nil {
			basic(assertion)
			return "", nil
		}
		form.Set("client_id", who.id)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		return "", nil
	default:
		basic(who.secret)
		return "", nil
	}
}
