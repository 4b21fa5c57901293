package caracal

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSourcesInTheirOrder(t *testing.T) {
	profile := write(t, "a.toml", "zone_id = \"zone_2\"\napplication_id = \"app_2\"\ndefault_ttl_seconds = 60\n", 0o600)
	env := environment(map[string]string{"CARACAL_CONFIG": profile, "CARACAL_APPLICATION_ID": "app_1"})
	found, err := resolve(Settings{ClientSecret: "s", ZoneID: "zone_0"}, env, true)
	if err != nil {
		t.Fatal(err)
	}
	if found.ZoneID != "zone_0" || found.ApplicationID != "app_1" || found.DefaultTTLSeconds != 60 || found.STSURL != localSTS {
		t.Fatalf("%+v", found)
	}
}

func TestSecretsOfFiles(t *testing.T) {
	env := map[string]string{"CARACAL_ZONE_ID": "z", "CARACAL_APPLICATION_ID": "a"}
	env["CARACAL_APP_CLIENT_SECRET_FILE"] = write(t, "secret", "shhh\n", 0o600)
	found, err := resolve(Settings{}, environment(env), true)
	if err != nil || found.ClientSecret != "shhh" {
		t.Fatal(found, err)
	}
	env["CARACAL_APP_CLIENT_SECRET_FILE"] = write(t, "open", "shhh\n", 0o644)
	if _, err = resolve(Settings{}, environment(env), true); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "others can read") {
		t.Fatal(err)
	}
}

func TestRefusedBeforeAnythingIsSent(t *testing.T) {
	who := map[string]string{"CARACAL_ZONE_ID": "z", "CARACAL_APPLICATION_ID": "a"}
	with := func(name, value string) map[string]string {
		return map[string]string{"CARACAL_ZONE_ID": "z", "CARACAL_APPLICATION_ID": "a", name: value}
	}
	secret := Settings{ClientSecret: "s"}
	for _, c := range []struct {
		name    string
		said    Settings
		env     map[string]string
		profile string
		why     string
	}{
		{"no zone", secret, nil, "", "no zone"},
		{"no application", secret, map[string]string{"CARACAL_ZONE_ID": "z"}, "", "no application"},
		{"no secret", Settings{}, who, "", "no client secret"},
		{"two secrets", Settings{ClientSecret: "s", ClientSecretFile: "f"}, who, "", "and a file"},
		{"an unknown key", secret, who, "zone = \"x\"\n", "unknown key `zone`"},
		{"an unknown key of a credential", secret, who, "[[credentials]]\nresource = \"resource://a\"\nsecret = \"x\"\n", "unknown key"},
		{"a wrong type", secret, who, "default_ttl_seconds = \"x\"\n", "cannot be read"},
		{"a secret for the URL of another source", Settings{STSURL: "https://evil.example"}, with("CARACAL_APP_CLIENT_SECRET", "s"), "", "same source"},
		{"plain HTTP beyond this machine", Settings{ClientSecret: "s", STSURL: "http://sts.example"}, who, "", "plain HTTP"},
		{"a Gateway by plain HTTP", Settings{ClientSecret: "s", GatewayURL: "http://10.0.0.1:1"}, who, "", "plain HTTP"},
		{"a URL with a password", Settings{ClientSecret: "s", STSURL: "https://a:b@sts.example"}, who, "", "is not one of"},
		{"no resource", Settings{ClientSecret: "s", Credentials: []Binding{{Resource: "openai"}}}, who, "", "names no resource"},
		{"a prefix that is no URL", Settings{ClientSecret: "s", Credentials: []Binding{{Resource: "resource://a", UpstreamPrefix: "api"}}}, who, "", "no plain URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := map[string]string{}
			for name, value := range c.env {
				env[name] = value
			}
			if c.profile != "" {
				env["CARACAL_CONFIG"] = write(t, "c.toml", c.profile, 0o600)
			}
			_, err := resolve(c.said, environment(env), true)
			if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), c.why) {
				t.Fatal(err)
			}
		})
	}
}

func TestPathsStayBelowTheirResource(t *testing.T) {
	for _, path := range []string{"/", "/v1/models", "/a/b?x=../y", "/a%2Fb", "/v1/"} {
		if err := checkPath(path); err != nil {
			t.Error(path, err)
		}
	}
	for _, path := range []string{"https://evil.example/x", "//evil.example", "x", "", "/../x", "/a/./b", "/%2e%2e/x", "/a//b", "/a\\b", "/a b", "/a#b", "/%zz", "/a\x00"} {
		if err := checkPath(path); !errors.Is(err, ErrGatewayPath) {
			t.Error(path, err)
		}
	}
}

func TestRedirectsStayBelowTheirResource(t *testing.T) {
	from, _ := url.Parse("http://g/zones/z/r/a/x")
	for _, c := range []struct {
		to, method string
		good       bool
	}{
		{"/zones/z/r/a/y", "GET", true}, {"y", "HEAD", true}, {"/zones/z/r/ab", "GET", false},
		{"http://evil/zones/z/r/a/y", "GET", false}, {"../../r/b/x", "GET", false}, {"/zones/z/r/a/y", "POST", false},
	} {
		_, err := follow("http://g/zones/z/r/a", from, c.to, 0, c.method)
		if (err == nil) != c.good || (err != nil && !errors.Is(err, ErrRedirectRefused)) {
			t.Error(c, err)
		}
	}
}

func TestErrorsTellTheirCode(t *testing.T) {
	body := []byte(`{"code":"policy_denied","detail":"no","request_id":"r","hint":"ask"}`)
	failed := errorOfAnswer(403, http.Header{"Retry-After": {"3"}}, body)
	if !errors.Is(failed, ErrPolicyDenied) || errors.Is(failed, ErrScopeMissing) || failed.RequestID != "r" || failed.RetryAfter.Seconds() != 3 {
		t.Fatalf("%+v", failed)
	}
	body = []byte(`{"error":"not_narrower","error_description":"no","counterexample":{"resource":"resource://a","scope":"a:b"}}`)
	if failed = errorOfAnswer(409, nil, body); failed.Counterexample == nil || failed.Counterexample.Scope != "a:b" {
		t.Fatalf("%+v", failed)
	}
	if failed = errorOfAnswer(502, nil, []byte("<html>")); !errors.Is(failed, ErrTemporarilyUnavailable) {
		t.Fatalf("%+v", failed)
	}
}
