/**
 * For services that take mandates themselves: signature, time, audience, scope, the proof of a bound
 * key, and whether it has ended since. Everything that cannot be told is refused.
 *
 * @packageDocumentation
 */
import { createHash } from "node:crypto";
import {
  calculateJwkThumbprint,
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  EmbeddedJWK,
  errors as joseErrors,
  jwtVerify,
  type JWTPayload,
} from "jose";
import {
  ActionNotAuthorizedError,
  FeedStaleError,
  MandateExpiredError,
  MandateInvalidError,
  MandateMissingError,
  MandateReplayedError,
  MandateRevokedError,
  ProofInvalidError,
  ResourceMismatchError,
  ScopeMissingError,
  SessionSuspendedError,
  SettingsError,
  type CaracalError,
} from "./errors.js";
import { Feed } from "./feed.js";
import { Http, type HttpOptions } from "./http.js";

/** The claims of a mandate. */
export interface Claims extends JWTPayload {
  iss: string;
  sub: string;
  aud: string[];
  exp: number;
  iat: number;
  jti: string;
  client_id: string;
  zone: string;
  scope: string;
  sid: string;
  rev: string;
  /** RFC 9396: the exact requests that it is for. */
  authorization_details?: unknown;
  /** The generation of the session's holder. */
  gen?: number;
  cnf?: { jkt: string };
  act?: unknown;
  dlg?: string[];
  anc?: string[];
  apr?: string;
}

/** A mandate that holds. */
export interface Verified {
  claims: Claims;
  scopes: ReadonlySet<string>;
  /** True when the caller has shown that it holds the mandate's key. */
  isBound: boolean;
}

/** What a verifier is made with. */
export interface VerifierOptions extends HttpOptions {
  /** The zone's issuer, `{sts}/zones/{zone}`. */
  issuer: string;
  /** This service's identifier, such as `resource://tools`. */
  audience: string;
  /** This service's own public URL, without a slash at the end: proofs name it, `Host` is not believed. */
  publicUrl?: string;
  /** `required`: only mandates that are bound to a key. Default: bearer mandates are taken too. */
  dpop?: "required" | "optional";
  /** Only mandates of sessions that were opened, or only those that go by a delegation. */
  requires?: { delegation?: boolean };
  /**
   * How this service listens to the revocation feed: its own client id and secret. `false` leaves it out:
   * then what was revoked holds here until it expires.
   */
  feed: { clientId: string; clientSecret: string; maxSilenceMs?: number } | false;
  /** The STS where it differs from the issuer's origin. */
  stsUrl?: string;
  /** The id of this service's resource (`res_…`): the feed ends a resource by its id. */
  resourceId?: string;
}

/** A request as this service got it. */
export interface Presented {
  authorization: string | undefined;
  dpop?: string | string[] | undefined;
  method: string;
  /** Path and query, such as `/tools/call?x=1`. */
  path: string;
}

/** Clocks may differ by this, in seconds. */
const LEEWAY = 60;
const PROOF_ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256"];
/** How many proofs are remembered at most; beyond that, new ones are refused for a moment. */
const MAX_PROOFS = 100_000;

export class Verifier {
  readonly #options: VerifierOptions;
  readonly #http: Http;
  readonly #sts: string;
  readonly #feed: Feed | undefined;
  readonly #basic: string | undefined;
  #keys: ReturnType<typeof createRemoteJWKSet>;
  readonly #proofs = new Map<string, number>();
  readonly #asked = new Map<string, { exp: number; reset: number }>();

  constructor(options: VerifierOptions) {
    if (!options.issuer.includes("/zones/")) {
      throw new SettingsError({ status: 0, message: `\`${options.issuer}\` is no issuer of a zone` });
    }
    this.#options = options;
    this.#http = new Http(options);
    this.#sts = options.stsUrl ?? new URL(options.issuer).origin;
    this.#keys = this.#fetchKeys();
    if (options.feed) {
      const { clientId, clientSecret, maxSilenceMs } = options.feed;
      const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
      this.#basic = `Basic ${Buffer.from(pair).toString("base64")}`;
      this.#feed = new Feed(this.#http, `${this.#sts}/v1/revocations/stream`, this.#basic, maxSilenceMs ?? 2_000);
      this.#feed.start(() => (this.#keys = this.#fetchKeys()));
    }
  }

  async close(): Promise<void> {
    this.#feed?.close();
    await this.#http.close();
  }

  /**
   * Verifies what a request presents.
   *
   * @param scopes what the operation needs, all of them
   * @throws MandateMissingError, MandateInvalidError, MandateExpiredError, MandateRevokedError,
   * ProofInvalidError, ResourceMismatchError, ScopeMissingError, SessionSuspendedError, FeedStaleError
   */
  async verify(presented: Presented, scopes: readonly string[] = []): Promise<Verified> {
    const { scheme, text } = readAuthorization(presented.authorization);
    const claims = await this.#claims(text);
    const isBound = claims.cnf?.jkt !== undefined;
    if (isBound) {
      if (scheme !== "dpop") throw refused(ProofInvalidError, 401, "the mandate is bound to a key: present it as `DPoP`");
      await this.#prove(presented, text, claims.cnf?.jkt ?? "");
    } else if (scheme === "dpop") {
      throw refused(MandateInvalidError, 401, "the mandate is bound to no key");
    } else if (this.#options.dpop === "required") {
      throw refused(ProofInvalidError, 401, "this service takes mandates that are bound to a key");
    }
    if (this.#options.requires?.delegation && !claims.dlg?.length) {
      throw refused(ScopeMissingError, 403, "this service takes delegated authority only");
    }
    if (claims.authorization_details !== undefined) {
      // Which requests it names is for the server to say: ask `POST /v1/decide` about them.
      throw refused(ActionNotAuthorizedError, 403, "the mandate is for exact requests, which this service does not judge");
    }
    const has = new Set(claims.scope.split(" "));
    const missing = scopes.find((scope) => !has.has(scope));
    if (missing !== undefined) throw refused(ScopeMissingError, 403, `the mandate lacks the scope \`${missing}\``);
    await this.#alive(text, claims);
    return { claims, scopes: has, isBound };
  }

  #fetchKeys(): ReturnType<typeof createRemoteJWKSet> {
    const url = new URL(`${this.#options.issuer}/jwks.json`);
    return createRemoteJWKSet(url, {
      cooldownDuration: 5_000,
      cacheMaxAge: 300_000,
      timeoutDuration: 5_000,
      [customFetch]: async (href: string, init: object) => (await this.#http.send(href, init)) as unknown as globalThis.Response,
    });
  }

  async #claims(text: string): Promise<Claims> {
    try {
      const { payload } = await jwtVerify(text, this.#keys, {
        issuer: this.#options.issuer,
        audience: this.#options.audience,
        typ: "at+jwt",
        algorithms: ["ES256"],
        clockTolerance: 5,
        currentDate: new Date(Date.now() + this.#http.offset),
        requiredClaims: ["exp", "iat", "jti", "client_id", "zone", "scope", "sid", "rev"],
      });
      return payload as Claims;
    } catch (cause) {
      if (cause instanceof joseErrors.JWTExpired) throw refused(MandateExpiredError, 401, "the mandate has expired", cause);
      if (cause instanceof joseErrors.JWTClaimValidationFailed && cause.claim === "aud") {
        throw refused(ResourceMismatchError, 403, "the mandate is for another resource", cause);
      }
      throw refused(MandateInvalidError, 401, "the mandate is not one of this zone, or its signature does not hold", cause);
    }
  }

  async #prove(presented: Presented, mandate: string, thumbprint: string): Promise<void> {
    const { publicUrl } = this.#options;
    const proof = presented.dpop;
    if (typeof proof !== "string") throw refused(ProofInvalidError, 401, "the request has no proof, or several");
    if (publicUrl === undefined) throw refused(ProofInvalidError, 401, "this service does not know its own URL");
    const wrong = (why: string, cause?: unknown): CaracalError => refused(ProofInvalidError, 401, why, cause);
    let claims: JWTPayload;
    let jkt: string;
    try {
      const { jwk } = decodeProtectedHeader(proof);
      jkt = await calculateJwkThumbprint(jwk ?? {});
      const verified = await jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt", algorithms: PROOF_ALGORITHMS });
      claims = verified.payload;
    } catch (cause) {
      throw wrong("the proof is not valid", cause);
    }
    if (jkt !== thumbprint) throw wrong("the proof is by another key");
    if (claims["htm"] !== presented.method) throw wrong("the proof is for another method");
    if (claims["htu"] !== publicUrl + presented.path.split(/[?#]/, 1)[0]) throw wrong("the proof is for another URL");
    if (claims["ath"] !== createHash("sha256").update(mandate).digest("base64url")) throw wrong("the proof is for another mandate");
    const now = (Date.now() + this.#http.offset) / 1000;
    if (typeof claims.iat !== "number" || Math.abs(now - claims.iat) > LEEWAY) throw wrong("the proof is not of this time");
    if (typeof claims.jti !== "string" || claims.jti === "" || claims.jti.length > 256) throw wrong("the proof has no good `jti`");
    this.#once(`${jkt} ${claims.jti}`);
  }

  /** Takes a proof once. */
  #once(id: string): void {
    const now = Date.now();
    for (const [known, until] of this.#proofs) {
      if (until > now) break;
      this.#proofs.delete(known);
    }
    if (this.#proofs.has(id)) throw refused(MandateReplayedError, 401, "the proof was used before");
    if (this.#proofs.size >= MAX_PROOFS) throw refused(FeedStaleError, 503, "too many proofs at once: try again");
    this.#proofs.set(id, now + 2 * LEEWAY * 1000);
  }

  async #alive(text: string, claims: Claims): Promise<void> {
    if (!this.#feed) return;
    const own = this.#options.resourceId === undefined ? [] : [this.#options.resourceId];
    const judge = (): ReturnType<Feed["judge"]> => this.#feed?.judge(claims, own) ?? "stale";
    const until = Date.now() + 1_000;
    let verdict = judge();
    while (verdict === "stale" && Date.now() < until) {
      await this.#feed.further(until - Date.now());
      verdict = judge();
    }
    switch (verdict) {
      case "good":
        return;
      case "dead":
        throw refused(MandateRevokedError, 401, "the mandate, or what it stands on, has ended");
      case "suspended":
        throw refused(SessionSuspendedError, 403, "the session is suspended");
      case "stale":
        throw refused(FeedStaleError, 503, "the revocation feed is silent: nothing can be told");
      case "unknown":
        await this.#introspect(text, claims);
    }
  }

  /** Asks the STS once about a mandate that is older than what the feed knows. */
  async #introspect(text: string, claims: Claims): Promise<void> {
    // After another reset nobody has told what was closed since it was asked.
    const reset = this.#feed?.resets ?? 0;
    const known = this.#asked.get(claims.jti);
    if (known?.reset === reset && known.exp * 1000 > Date.now()) return;
    const { body } = await this.#http.ask(`${this.#sts}/oauth/2/introspect`, {
      method: "POST",
      headers: { authorization: this.#basic ?? "" },
      body: new URLSearchParams({ token: text }),
    });
    if ((body as { active?: unknown } | undefined)?.active !== true) {
      throw refused(MandateRevokedError, 401, "the mandate, or what it stands on, has ended");
    }
    for (const [jti, { exp }] of this.#asked) if (exp * 1000 < Date.now()) this.#asked.delete(jti);
    this.#asked.set(claims.jti, { exp: claims.exp, reset });
  }
}

function readAuthorization(value: string | undefined): { scheme: string; text: string } {
  const [scheme = "", text = "", more] = (value ?? "").trim().split(/ +/);
  const name = scheme.toLowerCase();
  if ((name !== "bearer" && name !== "dpop") || text === "" || more !== undefined) {
    throw refused(MandateMissingError, 401, "the request carries no mandate");
  }
  return { scheme: name, text };
}

type Refusing = new (refusal: { status: number; message: string }, options?: ErrorOptions) => CaracalError;

function refused(kind: Refusing, status: number, message: string, cause?: unknown): CaracalError {
  return new kind({ status, message }, cause === undefined ? undefined : { cause });
}

/** The head of a refusal for HTTP (RFC 6750, RFC 9449). */
export function challenge(error: CaracalError): string | undefined {
  if (error.status !== 401) return undefined;
  const scheme = error.code === "proof_invalid" || error.code === "mandate_replayed" ? "DPoP" : "Bearer";
  return error.code === "mandate_missing" ? scheme : `${scheme} error="invalid_token", error_description="${error.message.replaceAll('"', "'")}"`;
}

/** What of Express, or anything that looks like it, is used. */
interface ExpressRequest {
  headers: Record<string, string | string[] | undefined>;
  method: string;
  originalUrl: string;
}
interface ExpressResponse {
  status(code: number): ExpressResponse;
  set(name: string, value: string): ExpressResponse;
  json(body: unknown): unknown;
}

/** Middleware for Express: `request.mandate` is what {@link Verifier.verify} gave. */
export function requireMandate(verifier: Verifier, ...scopes: string[]) {
  return async (request: ExpressRequest, response: ExpressResponse, next: (error?: unknown) => void): Promise<void> => {
    const { authorization, dpop } = request.headers;
    try {
      const presented: Presented = {
        authorization: typeof authorization === "string" ? authorization : undefined,
        dpop,
        method: request.method,
        path: request.originalUrl,
      };
      (request as { mandate?: Verified }).mandate = await verifier.verify(presented, scopes);
    } catch (error) {
      const { code, status, message } = error as CaracalError;
      if (typeof code !== "string" || typeof status !== "number") return next(error);
      const head = challenge(error as CaracalError);
      if (head !== undefined) response.set("www-authenticate", head);
      response.status(status).json({ code, detail: message });
      return;
    }
    next();
  };
}
