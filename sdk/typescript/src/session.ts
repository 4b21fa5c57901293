/** Sessions and delegations. */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { Authority, type Parts } from "./authority.js";
import { ClosedError } from "./errors.js";
import { Mandates, readMandate } from "./mandates.js";
import type { ProofKey } from "./proof.js";
import { member, type Asked, type Credential } from "./sts.js";

/** Scopes on one resource. */
export interface Grant {
  resource: string;
  scopes: string[];
}

/** A session to open. */
export interface SessionRequest {
  /** Labels that the application is registered for. */
  labels?: string[];
  ttlSeconds?: number;
  /** After how many seconds without a heartbeat it ends; they are sent by themselves. */
  heartbeatSeconds?: number;
  /** What it may do at most; for a child all that its parent may, if absent. */
  authority?: Grant[];
  /** The calls of it and everything below it. */
  budget?: { calls: number };
  /** The ID token of the user it works for. */
  subjectToken?: string;
}

/** A delegation to make. */
export interface DelegationRequest {
  toSession?: string;
  toApplication?: string;
  authority: Grant[];
  ttlSeconds: number;
  maxDepth?: number;
  budget?: { calls: number };
}

/** Authority that one session lends another. */
export interface Delegation {
  id: string;
  status: "active" | "offered" | string;
  expiresAt: string;
}

export const around = new AsyncLocalStorage<Session>();

/** What a session is made of beside what it shares with its client. */
interface Opened {
  id: string;
  generation: number;
  expiresAt: string;
  labels: string[];
  subject?: string;
  sessionMandate?: string;
  mandateLife: number;
}

function read(body: unknown): Opened {
  const told = body as Record<string, unknown>;
  const opened: Opened = {
    id: member(body, "id", "string"),
    generation: member(body, "generation", "number"),
    expiresAt: member(body, "expires_at", "string"),
    labels: Array.isArray(told["labels"]) ? told["labels"].map(String) : [],
    mandateLife: typeof told["session_mandate_expires_in"] === "number" ? told["session_mandate_expires_in"] * 1000 : 0,
  };
  if (typeof told["subject"] === "string") opened.subject = told["subject"];
  if (typeof told["session_mandate"] === "string") opened.sessionMandate = told["session_mandate"];
  return opened;
}

function bodyOf(request: SessionRequest, more: Record<string, unknown>): Record<string, unknown> {
  return {
    ...(request.labels === undefined ? {} : { labels: request.labels }),
    ...(request.ttlSeconds === undefined ? {} : { ttl_seconds: request.ttlSeconds }),
    ...(request.heartbeatSeconds === undefined ? {} : { heartbeat_seconds: request.heartbeatSeconds }),
    ...(request.authority === undefined ? {} : { authority: request.authority }),
    ...(request.budget === undefined ? {} : { budget: request.budget }),
    ...(request.subjectToken === undefined ? {} : { subject_token: request.subjectToken }),
    ...more,
  };
}

/**
 * One governed run of work. It is its own holder: after the opening, only its session mandate, which
 * is bound to this client's key and renewed by itself, acts for it. Use `await using`, or `close()`.
 */
export class Session extends Authority implements AsyncDisposable {
  readonly id: string;
  readonly expiresAt: string;
  readonly labels: readonly string[];
  /** The user it works for. */
  readonly subject: string | undefined;
  protected override readonly mandates: Mandates;
  readonly #key: ProofKey | undefined;
  readonly #parent: Credential;
  #generation: number;
  #mandate: string | undefined;
  #renewAt = 0;
  #endsAt = 0;
  #renewing: Promise<string> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  private constructor(parts: Parts, key: ProofKey | undefined, parent: Credential, opened: Opened, ttl: number) {
    super(parts);
    this.id = opened.id;
    this.expiresAt = opened.expiresAt;
    this.labels = opened.labels;
    this.subject = opened.subject;
    this.#generation = opened.generation;
    this.#key = key;
    this.#parent = parent;
    if (opened.sessionMandate !== undefined) this.#take(opened.sessionMandate, opened.mandateLife);
    this.mandates = new Mandates(parts.sts, () => this.base(), () => [["session_id", this.id]], ttl);
  }

  /** @internal */
  static async open(
    parts: Parts,
    base: Pick<Asked, "credential" | "key">,
    request: SessionRequest,
    ttl: number,
    parentId?: string,
  ): Promise<Session> {
    const json = bodyOf(request, {
      ...(parentId === undefined ? {} : { parent_id: parentId }),
      ...(base.key === undefined ? {} : { cnf: { jkt: base.key.thumbprint } }),
    });
    const idempotencyKey = randomUUID();
    const body = await parts.sts.ask({ ...base, method: "POST", path: "/v1/sessions", json, idempotencyKey });
    const session = new Session(parts, base.key, base.credential, read(body), ttl);
    if (request.heartbeatSeconds !== undefined) session.#beatEvery(request.heartbeatSeconds);
    return session;
  }

  protected override base(): Pick<Asked, "credential" | "key"> {
    if (this.#isClosed) throw new ClosedError({ status: 0, message: `the session \`${this.id}\` is closed` });
    const credential: Credential = {
      kind: "session",
      isBound: this.#key !== undefined,
      mandate: () => this.#sessionMandate(),
    };
    return this.#key ? { credential, key: this.#key } : { credential };
  }

  /** Runs a function with this session around it: the client's `fetch` and requests inside use it. */
  run<T>(work: () => T): T {
    return around.run(this, work);
  }

  /** The session around the code that asks. */
  static current(): Session | undefined {
    return around.getStore();
  }

  /** Opens a part of this session with all that it may, or less. */
  async child(request: SessionRequest = {}): Promise<Session> {
    return Session.open(this.parts, this.base(), request, 300, this.id);
  }

  /** Lends a slice of this session's authority. */
  async delegate(request: DelegationRequest): Promise<Delegation> {
    const json = {
      from_session: this.id,
      ...(request.toSession === undefined ? {} : { to_session: request.toSession }),
      ...(request.toApplication === undefined ? {} : { to_application: request.toApplication }),
      authority: request.authority,
      ttl_seconds: request.ttlSeconds,
      ...(request.maxDepth === undefined ? {} : { max_depth: request.maxDepth }),
      ...(request.budget === undefined ? {} : { budget: request.budget }),
    };
    const idempotencyKey = randomUUID();
    return delegation(
      await this.parts.sts.ask({ ...this.base(), method: "POST", path: "/v1/delegations", json, idempotencyKey }),
    );
  }

  /** Takes a delegation that was offered. */
  async accept(delegationId: string): Promise<Delegation> {
    const path = `/v1/delegations/${encodeURIComponent(delegationId)}/accept`;
    return delegation(await this.parts.sts.ask({ ...this.base(), method: "POST", path, json: { session_id: this.id } }));
  }

  /** Ends a delegation, and everything that stands on it. */
  async endDelegation(delegationId: string): Promise<void> {
    const path = `/v1/delegations/${encodeURIComponent(delegationId)}`;
    await this.parts.sts.ask({ ...this.base(), method: "DELETE", path });
  }

  /** What it may do, by each of its paths. */
  async authority(): Promise<unknown> {
    return this.parts.sts.ask({ ...this.base(), method: "GET", path: `/v1/sessions/${this.id}/authority` });
  }

  /** Nothing is issued or called until it is resumed; running calls are cut. */
  async suspend(): Promise<void> {
    await this.#step("suspend");
  }

  async resume(): Promise<void> {
    // A suspended session has no say: whoever opened it resumes it.
    const base = this.#key ? { credential: this.#parent, key: this.#key } : { credential: this.#parent };
    await this.parts.sts.ask({ ...base, method: "POST", path: `/v1/sessions/${this.id}/resume`, json: {} });
  }

  /** Tells that the holder is there. With `heartbeatSeconds` this goes by itself. */
  async heartbeat(): Promise<void> {
    const body = await this.#step("heartbeat", { generation: this.#generation });
    this.#generation = (body as { generation?: number } | undefined)?.generation ?? this.#generation;
  }

  /** Closes it: everything below ends. Closing twice is no error. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    clearInterval(this.#timer);
    const base = this.base();
    try {
      await this.parts.sts.ask({ ...base, method: "DELETE", path: `/v1/sessions/${this.id}` });
    } finally {
      this.#isClosed = true;
      this.mandates.clear();
      this.#mandate = undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.close();
    } catch (error) {
      // Over is what it should be: a session that has ended is unknown, and its mandate no credential.
      const { code } = error as { code?: string };
      if (code !== "invalid_grant" && code !== "invalid_client") throw error;
    }
  }

  async #step(name: string, json: unknown = {}): Promise<unknown> {
    return this.parts.sts.ask({ ...this.base(), method: "POST", path: `/v1/sessions/${this.id}/${name}`, json });
  }

  #beatEvery(seconds: number): void {
    // Three tries within the time; a failure shows at the next use.
    this.#timer = setInterval(() => this.heartbeat().catch(() => undefined), (seconds * 1000) / 3);
    this.#timer.unref();
  }

  #take(mandate: string, life: number): void {
    this.#mandate = mandate;
    this.#renewAt = Date.now() + (life * 3) / 4;
    this.#endsAt = Date.now() + life - 5_000;
  }

  /** The session mandate, renewed before it ends: once, however many ask. */
  async #sessionMandate(): Promise<string> {
    const now = Date.now();
    if (this.#mandate !== undefined && now < this.#renewAt) return this.#mandate;
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    if (this.#mandate !== undefined && now < this.#endsAt) {
      this.#renewing.catch(() => undefined);
      return this.#mandate;
    }
    return this.#renewing;
  }

  async #renew(): Promise<string> {
    const old = this.#mandate;
    // While the old one is good it renews itself; later whoever opened the session does.
    const isGood = old !== undefined && Date.now() < this.#endsAt;
    const credential: Credential = isGood
      ? { kind: "session", isBound: this.#key !== undefined, mandate: async () => old }
      : this.#parent;
    const form: [string, string][] = [
      ["grant_type", "client_credentials"],
      ["session_id", this.id],
    ];
    const base = this.#key ? { credential, key: this.#key } : { credential };
    const minted = readMandate(await this.parts.sts.ask({ ...base, method: "POST", path: "/oauth/2/token", form }));
    this.#take(minted.reveal(), minted.life);
    return minted.reveal();
  }
}

function delegation(body: unknown): Delegation {
  return {
    id: member(body, "id", "string"),
    status: member(body, "status", "string"),
    expiresAt: member(body, "expires_at", "string"),
  };
}
