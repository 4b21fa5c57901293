/** Mandates that are kept while they are good, and renewed before they end: once, however many ask. */
import { member, type Asked, type Sts } from "./sts.js";

/** What a mandate is asked for. */
export interface MandateRequest {
  /** One resource or several, such as `resource://openai`. */
  resource: string | string[];
  /** Without any, all that is allowed now. */
  scopes?: string[];
  ttlSeconds?: number;
  /** The delegation to go by, where several suffice. */
  delegationId?: string;
  /** What a person has approved. */
  approvalId?: string;
  /** RFC 9396: exact actions. */
  authorizationDetails?: unknown[];
}

/** Short-lived, signed authority. */
export class Mandate {
  /** `DPoP` when it is bound to this client's key, else `Bearer`. */
  readonly type: "DPoP" | "Bearer";
  readonly scopes: string[];
  /** When it ends, in milliseconds since the epoch by this machine's clock. */
  readonly expiresAt: number;
  /** How long it lives in all, in milliseconds. */
  readonly life: number;
  readonly #text: string;

  constructor(text: string, type: "DPoP" | "Bearer", scopes: string[], life: number) {
    this.#text = text;
    this.type = type;
    this.scopes = scopes;
    this.life = life;
    this.expiresAt = Date.now() + life;
  }

  /** The mandate itself. Whoever has it and the key can use it. */
  reveal(): string {
    return this.#text;
  }

  /** What is logged of it: nothing that can be used. */
  toJSON(): object {
    return { type: this.type, scopes: this.scopes, expiresAt: new Date(this.expiresAt).toISOString() };
  }
}

/** Reads the answer of the token endpoint. */
export function readMandate(body: unknown): Mandate {
  const type = member(body, "token_type", "string") === "DPoP" ? "DPoP" : "Bearer";
  const scopes = member(body, "scope", "string").split(" ").filter(Boolean);
  return new Mandate(member(body, "access_token", "string"), type, scopes, member(body, "expires_in", "number") * 1000);
}

interface Kept {
  mandate?: Mandate;
  minting?: Promise<Mandate>;
}

/** How many different mandates are kept; the one that was used longest ago goes first. */
const MAX_KEPT = 256;
/** With less of its life left than this, a mandate is not used any more, in milliseconds. */
const TOO_OLD = 5_000;

export class Mandates {
  readonly #sts: Sts;
  readonly #base: () => Pick<Asked, "credential" | "key">;
  readonly #parameters: () => [string, string][];
  readonly #ttl: number;
  readonly #kept = new Map<string, Kept>();

  constructor(
    sts: Sts,
    base: () => Pick<Asked, "credential" | "key">,
    parameters: () => [string, string][],
    ttlSeconds: number,
  ) {
    this.#sts = sts;
    this.#base = base;
    this.#parameters = parameters;
    this.#ttl = ttlSeconds;
  }

  /** A mandate that is good for some seconds at least. */
  async get(request: MandateRequest): Promise<Mandate> {
    // What a person approved is good for one mandate.
    if (request.approvalId !== undefined) return this.#mint(request);
    const key = JSON.stringify([
      [request.resource].flat().sort(),
      request.scopes === undefined ? null : [...request.scopes].sort(),
      request.ttlSeconds ?? this.#ttl,
      request.delegationId ?? null,
      request.authorizationDetails ?? null,
    ]);
    const kept = this.#kept.get(key) ?? {};
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    if (this.#kept.size > MAX_KEPT) {
      const oldest = this.#kept.keys().next();
      if (!oldest.done) this.#kept.delete(oldest.value);
    }
    const left = (kept.mandate?.expiresAt ?? 0) - Date.now();
    if (kept.mandate && left > kept.mandate.life / 4) return kept.mandate;
    if (!kept.minting) {
      kept.minting = this.#mint(request)
        .then((mandate) => (kept.mandate = mandate))
        .finally(() => delete kept.minting);
    }
    if (kept.mandate && left > TOO_OLD) {
      // It is renewed beside the calls; should that fail, the next one tries again.
      kept.minting.catch(() => undefined);
      return kept.mandate;
    }
    return kept.minting;
  }

  /** Forgets a mandate that turned out to be dead. */
  forget(mandate: Mandate): void {
    for (const kept of this.#kept.values()) if (kept.mandate === mandate) delete kept.mandate;
  }

  clear(): void {
    this.#kept.clear();
  }

  async #mint(request: MandateRequest): Promise<Mandate> {
    const form: [string, string][] = [["grant_type", "client_credentials"]];
    for (const resource of [request.resource].flat()) form.push(["resource", resource]);
    if (request.scopes !== undefined) form.push(["scope", request.scopes.join(" ")]);
    form.push(["ttl_seconds", String(request.ttlSeconds ?? this.#ttl)]);
    if (request.delegationId !== undefined) form.push(["delegation_id", request.delegationId]);
    if (request.approvalId !== undefined) form.push(["approval_id", request.approvalId]);
    if (request.authorizationDetails !== undefined) {
      form.push(["authorization_details", JSON.stringify(request.authorizationDetails)]);
    }
    form.push(...this.#parameters());
    return readMandate(await this.#sts.ask({ ...this.#base(), method: "POST", path: "/oauth/2/token", form }));
  }
}
