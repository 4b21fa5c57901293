/** The client of one application. */
import { Authority, type Parts } from "./authority.js";
import { Gateway } from "./gateway.js";
import { Http, type HttpOptions } from "./http.js";
import { Mandates, readMandate, type Mandate } from "./mandates.js";
import { ProofKey } from "./proof.js";
import { around, Session, type SessionRequest } from "./session.js";
import { resolveSettings, type Resolved, type Settings } from "./settings.js";
import { Sts, type Asked, type Credential } from "./sts.js";

/** What a client is made with. What is absent comes from the environment, then from the profile. */
export interface ClientOptions extends Settings, HttpOptions {
  /** False: bearer mandates, which whoever sees them can use. Default: mandates are bound to a key of this client. */
  dpop?: boolean;
  /** Makes an assertion (RFC 7523) in place of a client secret. */
  assertion?: () => string | Promise<string>;
  /** Hosts that `fetch` may reach without the Gateway. */
  allowDirect?: string[];
  /** The environment to read; by default that of the process. */
  environment?: Record<string, string | undefined>;
}

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const MANDATE_TYPE = "urn:ietf:params:oauth:token-type:access_token";

/** What a mandate is narrowed to. */
export interface ExchangeRequest {
  /** The mandate to exchange. */
  mandate: Mandate | string;
  resource?: string | string[];
  scopes?: string[];
  ttlSeconds?: number;
}

export class Caracal extends Authority implements AsyncDisposable {
  readonly settings: Readonly<Omit<Resolved, "clientSecret">>;
  protected override readonly mandates: Mandates;
  readonly #http: Http;
  readonly #credential: Credential;
  readonly #key: ProofKey | undefined;

  private constructor(parts: Parts, http: Http, settings: Resolved, credential: Credential, key: ProofKey | undefined) {
    super(parts);
    const { clientSecret: _, ...shown } = settings;
    this.settings = shown;
    this.#http = http;
    this.#credential = credential;
    this.#key = key;
    this.mandates = new Mandates(parts.sts, () => this.base(), () => [], settings.defaultTtlSeconds);
  }

  /**
   * A client of what is said, the environment and the profile, in this order. Nothing is sent yet.
   *
   * @throws SettingsError what is missing, doubtful or unsafe
   */
  static async create(options: ClientOptions = {}): Promise<Caracal> {
    const settings = resolveSettings(options, options.environment ?? process.env, options.assertion === undefined);
    const http = new Http(options);
    const key = options.dpop === false ? undefined : await ProofKey.generate(() => Date.now() + http.offset);
    const id = settings.applicationId;
    const credential: Credential = options.assertion
      ? { kind: "assertion", id, make: options.assertion }
      : { kind: "secret", id, secret: settings.clientSecret ?? "" };
    const parts: Parts = {
      sts: new Sts(settings.stsUrl, http),
      gateway: new Gateway(settings.gatewayUrl, settings.zoneId, http),
      bindings: settings.credentials,
      allowDirect: new Set(options.allowDirect ?? []),
    };
    return new Caracal(parts, http, settings, credential, key);
  }

  protected override base(): Pick<Asked, "credential" | "key"> {
    return this.#key ? { credential: this.#credential, key: this.#key } : { credential: this.#credential };
  }

  protected override acting(): Authority {
    return around.getStore() ?? this;
  }

  /** Opens a session. Use `await using session = await client.session()`. */
  async session(request: SessionRequest = {}): Promise<Session> {
    return Session.open(this.parts, this.base(), request, this.settings.defaultTtlSeconds);
  }

  /** Exchanges a mandate for a narrower one (RFC 8693); it never outlives its source. */
  async exchange(request: ExchangeRequest): Promise<Mandate> {
    const source = typeof request.mandate === "string" ? request.mandate : request.mandate.reveal();
    const form: [string, string][] = [
      ["grant_type", EXCHANGE],
      ["subject_token", source],
      ["subject_token_type", MANDATE_TYPE],
    ];
    for (const resource of [request.resource ?? []].flat()) form.push(["resource", resource]);
    if (request.scopes !== undefined) form.push(["scope", request.scopes.join(" ")]);
    if (request.ttlSeconds !== undefined) form.push(["ttl_seconds", String(request.ttlSeconds)]);
    return readMandate(await this.parts.sts.ask({ ...this.base(), method: "POST", path: "/oauth/2/token", form }));
  }

  /** Revokes a mandate (RFC 7009), and everything that stands on it. */
  async revoke(mandate: Mandate | string): Promise<void> {
    const text = typeof mandate === "string" ? mandate : mandate.reveal();
    await this.parts.sts.ask({ ...this.base(), method: "POST", path: "/oauth/2/revoke", form: [["token", text]] });
    if (typeof mandate !== "string") this.mandates.forget(mandate);
  }

  /** Closes the connections. Sessions that are open end by their own time. */
  async close(): Promise<void> {
    this.mandates.clear();
    await this.#http.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
