/** What speaks to the STS: authentication, proofs, nonces, and errors by their codes. */
import { setTimeout as sleep } from "node:timers/promises";
import { AnswerError, errorOfAnswer, FeedStaleError, TemporarilyUnavailableError, type CaracalError } from "./errors.js";
import { Headers, type Answer, type Http } from "./http.js";
import type { ProofKey } from "./proof.js";

/** Who asks. */
export type Credential =
  | { kind: "secret"; id: string; secret: string }
  | { kind: "assertion"; id: string; make: () => string | Promise<string> }
  | { kind: "session"; mandate: () => Promise<string>; isBound: boolean };

/** What is sent. */
export interface Asked {
  method: "GET" | "POST" | "DELETE";
  path: string;
  credential: Credential;
  /** The key that proofs are made with; without one the request carries none. */
  key?: ProofKey;
  form?: [string, string][];
  json?: unknown;
  idempotencyKey?: string;
  signal?: AbortSignal;
  timeoutMs?: number;
}

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/** How often a request that the STS did not take is sent again. */
const ATTEMPTS = 4;

export class Sts {
  readonly url: string;
  readonly #http: Http;

  constructor(url: string, http: Http) {
    this.url = url;
    this.#http = http;
  }

  /**
   * Asks, and gives the answer's body. What the STS refused before it did anything is sent again: a
   * proof that lacks a nonce, and 503 of requests that are safe to repeat.
   */
  async ask(asked: Asked): Promise<unknown> {
    const isSafe = asked.method === "GET" || asked.form !== undefined || asked.idempotencyKey !== undefined;
    let hasNonce = false;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#send(asked);
      const nonce = answer.headers.get("dpop-nonce");
      if (nonce && asked.key) asked.key.nonce = nonce;
      if (answer.status < 300) return answer.body;
      const error = errorOfAnswer(answer.status, answer.headers as unknown as globalThis.Headers, answer.body);
      if (error.code === "use_dpop_nonce" && asked.key && nonce && !hasNonce) {
        hasNonce = true;
        continue;
      }
      if (!isSafe || attempt >= ATTEMPTS || !isPassing(error)) throw error;
      await sleep(50 * 2 ** attempt, undefined, asked.signal ? { signal: asked.signal } : {});
    }
  }

  async #send(asked: Asked): Promise<Answer> {
    const url = this.url + asked.path;
    const headers = new Headers({ accept: "application/json" });
    const form = asked.form ? new URLSearchParams(asked.form) : undefined;
    const mandate = await authenticate(asked.credential, headers, form);
    if (asked.key) {
      const proven = mandate === undefined ? {} : { mandate };
      headers.set("dpop", await asked.key.prove({ method: asked.method, url, ...proven }));
    }
    if (asked.idempotencyKey !== undefined) headers.set("idempotency-key", asked.idempotencyKey);
    if (asked.json !== undefined) headers.set("content-type", "application/json");
    const body = form ?? (asked.json === undefined ? undefined : JSON.stringify(asked.json));
    const init = {
      method: asked.method,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(asked.signal ? { signal: asked.signal } : {}),
    };
    return this.#http.ask(url, init, asked.timeoutMs);
  }
}

/** True for what passes by itself. */
function isPassing(error: CaracalError): boolean {
  return error instanceof TemporarilyUnavailableError || error instanceof FeedStaleError;
}

/** Adds who asks; gives the session mandate that a proof has to name. */
async function authenticate(
  credential: Credential,
  headers: Headers,
  form: URLSearchParams | undefined,
): Promise<string | undefined> {
  const basic = (password: string): void => {
    if (credential.kind === "session") return;
    // Both parts are form-encoded inside the credentials (RFC 6749, section 2.3.1).
    const pair = `${encodeURIComponent(credential.id)}:${encodeURIComponent(password)}`;
    headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  };
  switch (credential.kind) {
    case "secret":
      basic(credential.secret);
      return undefined;
    case "assertion": {
      const assertion = await credential.make();
      if (!form) {
        basic(assertion);
        return undefined;
      }
      form.set("client_assertion_type", ASSERTION_TYPE);
      form.set("client_assertion", assertion);
      form.set("client_id", credential.id);
      return undefined;
    }
    case "session": {
      const mandate = await credential.mandate();
      headers.set("authorization", `${credential.isBound ? "DPoP" : "Bearer"} ${mandate}`);
      return credential.isBound ? mandate : undefined;
    }
  }
}

/** A member of an answer that has to be there. */
export function member<T extends "string" | "number">(
  body: unknown,
  name: string,
  type: T,
): T extends "string" ? string : number {
  const value = (body as Record<string, unknown> | undefined)?.[name];
  if (typeof value !== type) {
    throw new AnswerError({ status: 200, message: `the answer of the STS has no \`${name}\`` });
  }
  return value as T extends "string" ? string : number;
}
