package caracal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	caracal "caracal.dev/sdk"
	"caracal.dev/sdk/verify"
)

// The story that every SDK tells, against the real server with TLS and DPoP. Whoever runs it starts the
// server and says in the environment where it is.

const upstream = "https://api.example.com"

func operate(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command(os.Getenv("STORY_CARACAL"), arguments...)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		t.Fatal(arguments, err, complaint.String())
	}
	return string(out)
}

func options(t *testing.T, name string) caracal.Options {
	t.Helper()
	if os.Getenv("STORY_CARACAL") == "" {
		t.Skip("no server was started for it")
	}
	ca, err := os.ReadFile(os.Getenv("STORY_CA"))
	if err != nil {
		t.Fatal(err)
	}
	return caracal.Options{CA: ca, Settings: caracal.Settings{
		ZoneID: os.Getenv("STORY_ZONE"), ApplicationID: os.Getenv("STORY_" + name + "_ID"),
		ClientSecret: os.Getenv("STORY_" + name + "_SECRET"),
		STSURL:       os.Getenv("STORY_STS"), GatewayURL: os.Getenv("STORY_GATEWAY"),
		Credentials: []caracal.Binding{{Resource: "resource://items", UpstreamPrefix: upstream + "/v1", Scopes: []string{"items:read"}}},
	}}
}

func client(t *testing.T, options caracal.Options) *caracal.Client {
	t.Helper()
	made, err := caracal.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

func session(t *testing.T, of *caracal.Client, request caracal.SessionRequest) *caracal.Session {
	t.Helper()
	opened, err := of.Session(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return opened
}

// get calls by the ordinary HTTP client of somebody's authority.
func get(ctx context.Context, by interface{ HTTPClient() *http.Client }, path string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, upstream+path, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := by.HTTPClient().Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func must(t *testing.T, status int, text string, err error) {
	t.Helper()
	if err != nil || status != 200 {
		t.Fatal(status, text, err)
	}
}

func refusedAs(t *testing.T, err error, kinds ...error) {
	t.Helper()
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return
		}
	}
	t.Fatalf("%v is none of %v", err, kinds)
}

func TestAllowAndDeny(t *testing.T) {
	anton := client(t, options(t, "ANTON"))
	ctx := t.Context()
	status, text, err := get(ctx, anton, "/v1/items/1?x=1")
	must(t, status, text, err)
	if !strings.Contains(text, `"path":"/items/1"`) {
		t.Fatal(text)
	}
	mandate, err := anton.Mandate(ctx, caracal.MandateRequest{Resources: []string{"resource://items"}}, nil)
	if err != nil || mandate.Type != "DPoP" || strings.Contains(mandate.String(), mandate.Reveal()) {
		t.Fatal(mandate, err)
	}
	_, err = anton.Mandate(ctx, caracal.MandateRequest{Resources: []string{"resource://items"}, Scopes: []string{"items:admin"}}, nil)
	refusedAs(t, err, caracal.ErrAccessDenied)
	_, err = anton.GatewayRequest(ctx, "POST", "resource://items", "/items/1", strings.NewReader("x"))
	refusedAs(t, err, caracal.ErrScopeMissing)
	_, err = anton.GatewayRequest(ctx, "PATCH", "resource://items", "/items/1", nil)
	refusedAs(t, err, caracal.ErrOperationNotDeclared)
}

func TestNothingLeadsElsewhere(t *testing.T) {
	anton := client(t, options(t, "ANTON"))
	ctx := t.Context()
	_, _, err := get(ctx, anton, "/v1evil/x")
	refusedAs(t, err, caracal.ErrResourceUnbound)
	_, err = anton.GatewayRequest(ctx, "GET", "resource://other", "/", nil)
	refusedAs(t, err, caracal.ErrResourceUnbound)
	_, err = anton.GatewayRequest(ctx, "GET", "resource://items", "https://evil.example/", nil)
	refusedAs(t, err, caracal.ErrGatewayPath)
	status, text, err := get(ctx, anton, "/v1/redirect")
	must(t, status, text, err)
	if !strings.Contains(text, "/elsewhere") {
		t.Fatal(text)
	}
	_, err = anton.GatewayRequest(caracal.WithCallOptions(ctx, caracal.WithScopes("items:delete")), "DELETE", "resource://items", "/redirect", nil)
	refusedAs(t, err, caracal.ErrRedirectRefused)
}

func TestAThousandCallsShareOneMint(t *testing.T) {
	count := func() int {
		events := operate(t, "audit", "list", "--zone", os.Getenv("STORY_ZONE"), "--json", "--limit", "100000")
		return strings.Count(events, `"mandate.issued"`)
	}
	anton := client(t, options(t, "ANTON"))
	before := count()
	var all sync.WaitGroup
	failures := make(chan error, 1000)
	for range 1000 {
		all.Add(1)
		go func() {
			defer all.Done()
			if status, text, err := get(t.Context(), anton, "/v1/items/1"); err != nil || status != 200 {
				failures <- errors.Join(err, errors.New(text))
			}
		}()
	}
	all.Wait()
	select {
	case err := <-failures:
		t.Fatal(err)
	default:
	}
	if minted := count() - before; minted != 1 {
		t.Fatal(minted)
	}
}

func TestNarrowAndDelegate(t *testing.T) {
	anton, berta := client(t, options(t, "ANTON")), client(t, options(t, "BERTA"))
	ctx := t.Context()
	reading := []caracal.Grant{{Resource: "resource://items", Scopes: []string{"items:read"}}}
	deleting := []caracal.Grant{{Resource: "resource://items", Scopes: []string{"items:delete"}}}
	own := session(t, anton, caracal.SessionRequest{Labels: []string{"support"}, TTLSeconds: 600})
	child, err := own.Child(ctx, caracal.SessionRequest{Authority: reading})
	if err != nil {
		t.Fatal(err)
	}
	status, text, err := get(ctx, child, "/v1/items/3")
	must(t, status, text, err)
	_, err = child.Child(ctx, caracal.SessionRequest{Authority: deleting})
	var wide *caracal.Error
	if !errors.As(err, &wide) || !errors.Is(err, caracal.ErrNotNarrower) || wide.Counterexample.Scope != "items:delete" {
		t.Fatal(err)
	}
	source, err := anton.Mandate(ctx, caracal.MandateRequest{Resources: []string{"resource://items"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := anton.Exchange(ctx, caracal.ExchangeRequest{Mandate: source, Resources: []string{"resource://items"}, Scopes: []string{"items:read"}})
	if err != nil || len(narrow.Scopes) != 1 {
		t.Fatal(narrow, err)
	}
	receiver := session(t, berta, caracal.SessionRequest{})
	_, _, err = get(ctx, receiver, "/v1/items/4")
	refusedAs(t, err, caracal.ErrAccessDenied)
	lent, err := own.Delegate(ctx, caracal.DelegationRequest{ToApplication: os.Getenv("STORY_BERTA_ID"), Authority: reading, TTLSeconds: 300})
	if err != nil || lent.Status != "offered" {
		t.Fatal(lent, err)
	}
	if taken, err := receiver.Accept(ctx, lent.ID); err != nil || taken.Status != "active" {
		t.Fatal(taken, err)
	}
	status, text, err = get(ctx, receiver, "/v1/items/4")
	must(t, status, text, err)
	if err := own.EndDelegation(ctx, lent.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err = get(ctx, receiver, "/v1/items/4"); err == nil {
		t.Fatal("a delegation that has ended still works")
	}
}

func TestCallsOfAContextAreItsSessions(t *testing.T) {
	anton := client(t, options(t, "ANTON"))
	own := session(t, anton, caracal.SessionRequest{})
	status, text, err := get(caracal.WithSession(t.Context(), own), anton, "/v1/items/5")
	must(t, status, text, err)
	events := operate(t, "audit", "list", "--zone", os.Getenv("STORY_ZONE"), "--json", "--limit", "100000")
	calls := 0
	for line := range strings.Lines(events) {
		if strings.Contains(line, `"call.started"`) && strings.Contains(line, own.ID) {
			calls++
		}
	}
	if calls != 1 {
		t.Fatal(calls)
	}
}

func TestAPersonApproves(t *testing.T) {
	anton := client(t, options(t, "ANTON"))
	own := session(t, anton, caracal.SessionRequest{})
	pay := func(ctx context.Context) error {
		ctx = caracal.WithCallOptions(ctx, caracal.WithScopes("items:write"))
		answer, err := own.GatewayRequest(ctx, "POST", "resource://items", "/items/7", strings.NewReader("pay 5"))
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	refusedAs(t, pay(t.Context()), caracal.ErrApprovalRequired)
	asked := 0
	approval := caracal.Approval{Timeout: time.Minute, Notify: func(id string) {
		asked++
		operate(t, "approval", "approve", id, "--zone", os.Getenv("STORY_ZONE"), "--reason", "fine")
	}}
	if err := pay(caracal.WithCallOptions(t.Context(), caracal.WithApproval(approval))); err != nil || asked != 1 {
		t.Fatal(err, asked)
	}
	refusedAs(t, pay(t.Context()), caracal.ErrApprovalRequired)
}

func TestARevocationCutsTheStream(t *testing.T) {
	anton := client(t, options(t, "ANTON"))
	own := session(t, anton, caracal.SessionRequest{})
	answer, err := own.GatewayRequest(t.Context(), "GET", "resource://items", "/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := answer.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	operate(t, "revoke", own.ID, "--zone", os.Getenv("STORY_ZONE"))
	if _, err := io.ReadAll(answer.Body); err == nil {
		t.Fatal("the stream went on to its end")
	}
	_, _, err = get(t.Context(), own, "/v1/items/8")
	refusedAs(t, err, caracal.ErrMandateRevoked, caracal.ErrInvalidGrant, caracal.ErrInvalidClient)
}

func TestMandatesAreRenewed(t *testing.T) {
	short := options(t, "ANTON")
	short.DefaultTTLSeconds = 6
	anton := client(t, short)
	wanted := caracal.MandateRequest{Resources: []string{"resource://items"}, Scopes: []string{"items:read"}}
	first, err := anton.Mandate(t.Context(), wanted, nil)
	if err != nil {
		t.Fatal(err)
	}
	next := first
	for until := time.Now().Add(20 * time.Second); next == first && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		status, text, err := get(t.Context(), anton, "/v1/items/9")
		must(t, status, text, err)
		if next, err = anton.Mandate(t.Context(), wanted, nil); err != nil {
			t.Fatal(err)
		}
	}
	if next == first {
		t.Fatal("it was not renewed")
	}
}

func TestKeysRotateAndTheServerRestarts(t *testing.T) {
	anton := client(t, options(t, "ANTON"))
	own := session(t, anton, caracal.SessionRequest{})
	for _, disturb := range [][]string{nil, {"zone", "rotate-key", "--zone", os.Getenv("STORY_ZONE")}, {"restart"}} {
		if disturb != nil {
			operate(t, disturb...)
		}
		status, text, err := get(t.Context(), own, "/v1/items/1")
		must(t, status, text, err)
	}
}

func TestAClosedSessionSendsNothing(t *testing.T) {
	anton := client(t, options(t, "ANTON"))
	own := session(t, anton, caracal.SessionRequest{})
	if err := errors.Join(own.Close(t.Context()), own.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	_, _, err := get(t.Context(), own, "/v1/items/1")
	refusedAs(t, err, caracal.ErrClosed)
}

func TestAServiceVerifiesMandatesItself(t *testing.T) {
	plain := options(t, "ANTON")
	bound := client(t, plain)
	plain.Bearer = true
	anton := client(t, plain)
	own := session(t, anton, caracal.SessionRequest{})
	verifying := verify.Options{
		Issuer: os.Getenv("STORY_STS") + "/zones/" + os.Getenv("STORY_ZONE"), Audience: "resource://items", CA: plain.CA,
		Feed: &verify.FeedOptions{ClientID: os.Getenv("STORY_BERTA_ID"), ClientSecret: os.Getenv("STORY_BERTA_SECRET")},
	}
	verifier, err := verify.New(verifying)
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	service := httptest.NewServer(verifier.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"code":"`+verify.Of(r.Context()).Claims.Session+`"}`)
	}), "items:read"))
	defer service.Close()
	ask := func(text string) string {
		request, _ := http.NewRequest("GET", service.URL+"/tools", nil)
		request.Header.Set("Authorization", "Bearer "+text)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var told struct {
			Code string `json:"code"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
			t.Fatal(err)
		}
		return told.Code
	}
	mint := func(by interface {
		Mandate(context.Context, caracal.MandateRequest, *caracal.Approval) (*caracal.Mandate, error)
	}, scope string) string {
		mandate, err := by.Mandate(t.Context(), caracal.MandateRequest{Resources: []string{"resource://items"}, Scopes: []string{scope}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return mandate.Reveal()
	}
	reading := mint(own, "items:read")
	for text, code := range map[string]string{
		reading: own.ID, "x.y.z": "mandate_invalid", "": "mandate_missing",
		mint(bound, "items:read"): "proof_invalid", mint(own, "items:delete"): "scope_missing",
	} {
		if found := ask(text); found != code {
			t.Error(found, code)
		}
	}
	details := []any{map[string]any{
		"type": "caracal_call", "locations": []string{"resource://items"}, "actions": []string{"items:read"},
		"method": "GET", "path": "/items/1",
	}}
	exact, err := own.Mandate(t.Context(), caracal.MandateRequest{
		Resources: []string{"resource://items"}, Scopes: []string{"items:read"}, AuthorizationDetails: details,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found := ask(exact.Reveal()); found != "action_not_authorized" {
		t.Error(found)
	}
	operate(t, "revoke", own.ID, "--zone", os.Getenv("STORY_ZONE"))
	seen := ask(reading)
	for until := time.Now().Add(5 * time.Second); seen == own.ID && time.Now().Before(until); {
		seen = ask(reading)
	}
	if seen != "mandate_revoked" {
		t.Fatal(seen)
	}
	// Without the feed nothing can be told.
	verifying.Feed = &verify.FeedOptions{ClientID: verifying.Feed.ClientID, ClientSecret: "wrong"}
	deaf, err := verify.New(verifying)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	_, err = deaf.Verify(t.Context(), verify.Request{Authorization: "Bearer " + reading, Method: "GET", Path: "/"})
	refusedAs(t, err, caracal.ErrFeedStale)
}
