package caracal

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/BurntSushi/toml"
)

// Binding is what a program uses, and where calls to it are led from.
type Binding struct {
	// Resource is the identifier, such as resource://openai.
	Resource string `toml:"resource"`
	// UpstreamPrefix: URLs that begin with this are led through the Gateway to the resource.
	UpstreamPrefix string `toml:"upstream_prefix"`
	// Scopes are asked for; without any, all that policy allows now.
	Scopes []string `toml:"scopes"`
}

// Settings are what a program may say itself. What is absent comes from the environment, then from
// the profile that CARACAL_CONFIG names. A client secret is sent only to an STS URL from the same
// source, or to the local stack's when no source names one.
type Settings struct {
	ZoneID            string    `toml:"zone_id"`
	ApplicationID     string    `toml:"application_id"`
	ClientSecret      string    `toml:"app_client_secret"`
	ClientSecretFile  string    `toml:"app_client_secret_file"`
	STSURL            string    `toml:"sts_url"`
	GatewayURL        string    `toml:"gateway_url"`
	DefaultTTLSeconds int       `toml:"default_ttl_seconds"`
	Credentials       []Binding `toml:"credentials"`
}

const (
	localSTS     = "http://localhost:8080"
	localGateway = "http://localhost:8081"
)

var (
	resourceName = regexp.MustCompile(`^resource://[a-z0-9][a-z0-9-]{0,62}$`)
	loopback     = regexp.MustCompile(`^(localhost|127(\.\d+){3}|::1)$`)
)

// source is one place that settings come from.
type source struct {
	name string
	Settings
}

// resolve puts the sources together, and refuses what is doubtful before anything is sent.
func resolve(said Settings, environment func(string) string, needsSecret bool) (Settings, error) {
	sources := []source{{"what the program says", said}, {"the environment", Settings{
		ZoneID:           environment("CARACAL_ZONE_ID"),
		ApplicationID:    environment("CARACAL_APPLICATION_ID"),
		ClientSecret:     environment("CARACAL_APP_CLIENT_SECRET"),
		ClientSecretFile: environment("CARACAL_APP_CLIENT_SECRET_FILE"),
		STSURL:           environment("CARACAL_STS_URL"),
		GatewayURL:       environment("CARACAL_GATEWAY_URL"),
	}}}
	if path := environment("CARACAL_CONFIG"); path != "" {
		profile, err := readProfile(path)
		if err != nil {
			return Settings{}, err
		}
		sources = append(sources, source{"the profile", profile})
	}
	var whole Settings
	var secret, sts *source
	for i := range sources {
		from := &sources[i]
		if from.ClientSecret != "" && from.ClientSecretFile != "" {
			return whole, because(ErrSettings, "%s has a client secret and a file of one", from.name).withHint("keep one of them")
		}
		if secret == nil && from.ClientSecret+from.ClientSecretFile != "" {
			secret = from
		}
		if sts == nil && from.STSURL != "" {
			sts = from
		}
		whole.ZoneID = first(whole.ZoneID, from.ZoneID)
		whole.ApplicationID = first(whole.ApplicationID, from.ApplicationID)
		whole.STSURL = first(whole.STSURL, from.STSURL)
		whole.GatewayURL = first(whole.GatewayURL, from.GatewayURL)
		if whole.DefaultTTLSeconds == 0 {
			whole.DefaultTTLSeconds = from.DefaultTTLSeconds
		}
		if whole.Credentials == nil {
			whole.Credentials = from.Credentials
		}
	}
	if whole.ZoneID == "" {
		return whole, because(ErrSettings, "no zone is named").withHint("set `CARACAL_ZONE_ID`, or `zone_id` in the profile")
	}
	if whole.ApplicationID == "" {
		return whole, because(ErrSettings, "no application is named").withHint("set `CARACAL_APPLICATION_ID`, or `application_id` in the profile")
	}
	if whole.DefaultTTLSeconds == 0 {
		whole.DefaultTTLSeconds = 300
	}
	var err error
	if whole.STSURL, err = checkURL("the STS", first(whole.STSURL, localSTS)); err != nil {
		return whole, err
	}
	if whole.GatewayURL, err = checkURL("the Gateway", first(whole.GatewayURL, localGateway)); err != nil {
		return whole, err
	}
	if err := checkBindings(whole.Credentials); err != nil || !needsSecret {
		return whole, err
	}
	if secret == nil {
		return whole, because(ErrSettings, "no client secret is named").withHint("set `CARACAL_APP_CLIENT_SECRET_FILE` or `CARACAL_APP_CLIENT_SECRET`")
	}
	if sts != nil && sts != secret {
		return whole, because(ErrSettings, "the client secret comes from %s and the STS URL from %s", secret.name, sts.name).
			withHint("a secret is sent only to an STS URL from the same source")
	}
	whole.ClientSecret = secret.ClientSecret
	if whole.ClientSecret == "" {
		whole.ClientSecret, err = readSecret(secret.ClientSecretFile)
	}
	return whole, err
}

func readProfile(path string) (Settings, error) {
	var profile Settings
	read, err := toml.DecodeFile(path, &profile)
	if err != nil {
		return profile, because(ErrSettings, "the profile `%s` cannot be read: %v", path, err)
	}
	if unknown := read.Undecoded(); len(unknown) > 0 {
		return profile, because(ErrSettings, "the profile `%s` has the unknown key `%s`", path, unknown[0])
	}
	if file := profile.ClientSecretFile; file != "" && !filepath.IsAbs(file) {
		profile.ClientSecretFile = filepath.Join(filepath.Dir(path), file)
	}
	return profile, nil
}

// readSecret reads a secret that only its owner can read.
func readSecret(path string) (string, error) {
	about, err := os.Stat(path)
	if err != nil {
		return "", because(ErrSettings, "the secret file `%s` cannot be read", path).causedBy(err)
	}
	if about.Mode().Perm()&0o077 != 0 {
		return "", because(ErrSettings, "others can read the secret file `%s`", path).withHint("run `chmod 600 " + path + "`")
	}
	text, err := os.ReadFile(path)
	secret := strings.TrimSpace(string(text))
	if err != nil || secret == "" {
		return "", because(ErrSettings, "the secret file `%s` is empty or cannot be read", path).causedBy(err)
	}
	return secret, nil
}

// checkURL gives a URL without a slash at the end; plain HTTP is for this machine only.
func checkURL(door, text string) (string, error) {
	parsed, err := url.Parse(text)
	isPlain := err == nil && parsed.Host != "" && parsed.RawQuery == "" && parsed.Fragment == "" && parsed.User == nil
	if !isPlain || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return "", because(ErrSettings, "the URL of %s is not one of `http` or `https`", door)
	}
	if parsed.Scheme == "http" && !loopback.MatchString(parsed.Hostname()) {
		return "", because(ErrSettings, "the URL of %s, `%s`, is plain HTTP beyond this machine", door, text).withHint("use `https`")
	}
	return strings.TrimRight(parsed.String(), "/"), nil
}

func checkBindings(bindings []Binding) error {
	for _, binding := range bindings {
		if !resourceName.MatchString(binding.Resource) {
			return because(ErrSettings, "`%s` names no resource", binding.Resource).withHint("use for example `resource://openai`")
		}
		if binding.UpstreamPrefix == "" {
			continue
		}
		parsed, err := url.Parse(binding.UpstreamPrefix)
		isPlain := err == nil && parsed.Host != "" && parsed.RawQuery == "" && parsed.Fragment == "" && parsed.User == nil
		if !isPlain || (parsed.Scheme != "http" && parsed.Scheme != "https") {
			return because(ErrSettings, "`upstream_prefix` of `%s` is no plain URL of `http` or `https`", binding.Resource)
		}
	}
	return nil
}
