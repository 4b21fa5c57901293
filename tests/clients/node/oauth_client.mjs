// Gets mandates in the three ways that standard clients have, each bound to a key, and makes a call
// with each, as any OAuth client would.
//
//     CLIENT_ID=… CLIENT_SECRET=… KEY_CLIENT_ID=… KEY_CLIENT_JWK=… oauth_client.mjs ISSUER ALGORITHM RESOURCE SCOPE URL
//
// openid-client finds the endpoints by RFC 8414 metadata, authenticates the client by its secret or
// by its own key (RFC 7523), exchanges mandates (RFC 8693), makes the proofs (RFC 9449) and answers
// `use_dpop_nonce`. Prints what it saw as JSON.

import * as client from "openid-client";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const IMPORTS = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  Ed25519: { name: "Ed25519" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
};

const [issuer, algorithm, resource, scope, url] = process.argv.slice(2);
if (url === undefined) {
  console.error("oauth_client.mjs ISSUER ALGORITHM RESOURCE SCOPE URL");
  process.exit(2);
}

// The package's own switch for servers on this machine, which speak no TLS.
const options = { algorithm: "oauth2", execute: [client.allowInsecureRequests] };
const find = (id, auth) => client.discovery(new URL(issuer), id, undefined, auth, options);

const key = await crypto.subtle.importKey(
  "jwk",
  JSON.parse(process.env.KEY_CLIENT_JWK),
  IMPORTS[algorithm],
  false,
  ["sign"],
);
const kid = JSON.parse(process.env.KEY_CLIENT_JWK).kid;
const bySecret = await find(process.env.CLIENT_ID, client.ClientSecretBasic(process.env.CLIENT_SECRET));
const byKey = await find(process.env.KEY_CLIENT_ID, client.PrivateKeyJwt({ key, kid }));
const keyPair = await client.randomDPoPKeyPair(algorithm);

async function seen(config, DPoP, token) {
  const answer = await client.fetchProtectedResource(config, token.access_token, new URL(url), "GET", null, undefined, {
    DPoP,
  });
  return { mandate: token.access_token, token_type: token.token_type, scope: token.scope, status: answer.status };
}

const proofs = client.getDPoPHandle(bySecret, keyPair);
const own = await client.clientCredentialsGrant(bySecret, { resource }, { DPoP: proofs });
const wanted = { subject_token: own.access_token, subject_token_type: ACCESS_TOKEN, resource, scope };
const exchanged = await client.genericGrantRequest(bySecret, EXCHANGE, wanted, { DPoP: proofs });
const keyProofs = client.getDPoPHandle(byKey, keyPair);
const signed = await client.clientCredentialsGrant(byKey, { resource, scope }, { DPoP: keyProofs });

console.log(
  JSON.stringify({
    client_credentials: await seen(bySecret, proofs, own),
    token_exchange: await seen(bySecret, proofs, exchanged),
    private_key_jwt: await seen(byKey, keyProofs, signed),
  }),
);
