/** A key of this client, and the proofs that it is held (RFC 9449). */
import { createHash, randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";

/** What a proof is about. */
export interface Proven {
  method: string;
  /** The URL; query and fragment are left out. */
  url: string;
  /** The mandate that is sent along. */
  mandate?: string;
}

export class ProofKey {
  /** The thumbprint of the public key (RFC 7638). */
  readonly thumbprint: string;
  readonly #key: CryptoKey;
  readonly #public: JWK;
  readonly #clock: () => number;
  /** The nonce that the zone gave last; good at both doors. */
  nonce: string | undefined;

  private constructor(key: CryptoKey, jwk: JWK, thumbprint: string, clock: () => number) {
    this.#key = key;
    this.#public = jwk;
    this.#clock = clock;
    this.thumbprint = thumbprint;
  }

  /** A fresh ES256 key that never leaves this process. `clock` gives milliseconds since the epoch. */
  static async generate(clock: () => number): Promise<ProofKey> {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: false });
    const { kty, crv, x, y } = await exportJWK(publicKey);
    const jwk = { kty, crv, x, y } as JWK;
    return new ProofKey(privateKey, jwk, await calculateJwkThumbprint(jwk), clock);
  }

  /** A proof for one request. */
  async prove({ method, url, mandate }: Proven): Promise<string> {
    const target = new URL(url);
    target.search = "";
    target.hash = "";
    const claims: Record<string, string> = { htm: method, htu: target.href };
    if (this.nonce !== undefined) claims["nonce"] = this.nonce;
    if (mandate !== undefined) claims["ath"] = createHash("sha256").update(mandate).digest("base64url");
    return new SignJWT(claims)
      .setProtectedHeader({ typ: "dpop+jwt", alg: "ES256", jwk: this.#public })
      .setIssuedAt(Math.floor(this.#clock() / 1000))
      .setJti(randomUUID())
      .sign(this.#key);
  }
}
