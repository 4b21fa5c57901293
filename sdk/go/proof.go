package caracal

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// proofKey is a key of this client, and makes the proofs that it is held (RFC 9449).
type proofKey struct {
	thumbprint string
	signer     jose.Signer
	now        func() time.Time

	mutex sync.Mutex
	// nonce is the one that the zone gave last; it is good at both doors.
	nonce string
}

// newProofKey makes an ES256 key that never leaves this process.
func newProofKey(now func() time.Time) (*proofKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public := jose.JSONWebKey{Key: &private.PublicKey}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, options)
	if err != nil {
		return nil, err
	}
	encoded := base64.RawURLEncoding.EncodeToString(thumbprint)
	return &proofKey{thumbprint: encoded, signer: signer, now: now}, nil
}

// hear keeps the nonce of an answer.
func (k *proofKey) hear(nonce string) {
	if nonce == "" {
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.nonce = nonce
}

// prove makes a proof for one request; mandate may be empty.
func (k *proofKey) prove(method string, target *url.URL, mandate string) (string, error) {
	bare := *target
	bare.RawQuery, bare.Fragment, bare.ForceQuery = "", "", false
	k.mutex.Lock()
	nonce := k.nonce
	k.mutex.Unlock()
	claims := struct {
		Method string           `json:"htm"`
		URL    string           `json:"htu"`
		At     *jwt.NumericDate `json:"iat"`
		ID     string           `json:"jti"`
		Nonce  string           `json:"nonce,omitempty"`
		Hash   string           `json:"ath,omitempty"`
	}{method, bare.String(), jwt.NewNumericDate(k.now()), rand.Text(), nonce, ""}
	if mandate != "" {
		claims.Hash = hashOf(mandate)
	}
	return jwt.Signed(k.signer).Claims(claims).Serialize()
}

func hashOf(mandate string) string {
	hash := sha256.Sum256([]byte(mandate))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}
