/** Calls through the Gateway: addresses, proofs, redirects, refusals, and what may be sent again. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RequestInit, Response } from "undici";
import type { ApprovalOptions } from "./approvals.js";
import { errorOfAnswer, GatewayPathError, RedirectRefusedError, type CaracalError } from "./errors.js";
import { Headers, type Http } from "./http.js";
import type { Mandate } from "./mandates.js";
import type { ProofKey } from "./proof.js";

/** A request for a resource: what `fetch` takes, and what else governs it. */
export interface GatewayInit extends RequestInit {
  /** The scopes of the mandate; without any, those of the binding, or all that is allowed now. */
  scopes?: string[];
  /** The delegation to go by, where several suffice. */
  delegationId?: string;
  /** Wait for a person when policy holds the call; without it `ApprovalRequiredError` is thrown. */
  approval?: ApprovalOptions | true;
  /** `response`: refusals are answers with `Caracal-Refusal: 1` like the Gateway's; default: `throw`. */
  refusals?: "throw" | "response";
}

/** What a call needs of the one who makes it. */
export interface Caller {
  mandate(scopes: string[] | undefined, delegationId: string | undefined): Promise<Mandate>;
  forget(mandate: Mandate): void;
  waitForApproval(id: string, options: ApprovalOptions): Promise<void>;
  readonly key: ProofKey | undefined;
}

const MAX_REDIRECTS = 5;
/** How often a call is sent again that the Gateway did not take. */
const ATTEMPTS = 4;

/**
 * The path of a call: below the resource, never above it. Refused are absolute URLs, dot segments and
 * empty ones in any spelling, and backslashes, before anything is sent.
 */
export function checkPath(path: string): string {
  const refuse = (why: string): never => {
    throw new GatewayPathError({ status: 0, message: `\`${path}\` ${why}`, hint: "use a path such as `/v1/models`" });
  };
  if (/^[a-z][a-z0-9+.-]*:/i.test(path) || path.startsWith("//")) refuse("is an absolute URL");
  if (!path.startsWith("/")) refuse("does not begin with a slash");
  const [before = ""] = path.split(/[?#]/, 1);
  if (path.includes("#")) refuse("has a fragment");
  if (/[\\\u0000-\u0020\u007f]/.test(path)) refuse("has a backslash, a space or a control character");
  const segments = before.slice(1).split("/");
  segments.forEach((segment, index) => {
    let plain: string;
    try {
      plain = decodeURIComponent(segment);
    } catch {
      return refuse("is not percent-encoded UTF-8");
    }
    if (plain === "." || plain === "..") refuse("has a dot segment");
    if (plain === "" && index < segments.length - 1) refuse("has an empty segment");
  });
  return path;
}

/** True when it can be sent once more. */
function isRepeatable(body: RequestInit["body"]): boolean {
  return (
    body === undefined ||
    body === null ||
    typeof body === "string" ||
    body instanceof Uint8Array ||
    body instanceof ArrayBuffer ||
    body instanceof URLSearchParams
  );
}

export class Gateway {
  readonly #http: Http;
  readonly #base: string;

  constructor(url: string, zone: string, http: Http) {
    this.#base = `${url}/zones/${zone}/r/`;
    this.#http = http;
  }

  /** Where a resource is. */
  urlOf(resource: string): string {
    return this.#base + resource.slice("resource://".length);
  }

  /** Makes a call. What was refused before it left the Gateway may be sent again by itself. */
  async call(resource: string, path: string, init: GatewayInit, caller: Caller): Promise<Response> {
    const { scopes, delegationId, approval, refusals, ...request } = init;
    const home = this.urlOf(resource);
    const method = (request.method ?? "GET").toUpperCase();
    const canRepeat = isRepeatable(request.body);
    let url = home + checkPath(path);
    let redirects = 0;
    const did = { nonce: false, mandate: false, approval: false };
    for (let attempt = 1; ; attempt += 1) {
      const mandate = await caller.mandate(scopes, delegationId);
      const answer = await this.#send(url, method, request, mandate, caller.key);
      const nonce = answer.headers.get("dpop-nonce");
      if (nonce && caller.key) caller.key.nonce = nonce;
      const location = answer.headers.get("location");
      if (answer.status >= 300 && answer.status < 400 && location !== null) {
        url = follow(home, url, location, redirects, method);
        redirects += 1;
        await answer.body?.cancel();
        continue;
      }
      if (answer.headers.get("caracal-refusal") === null) return answer;
      if (refusals === "response" && !canRepeat) return answer;
      const kept = refusals === "response" ? answer.clone() : undefined;
      const error = errorOfAnswer(answer.status, answer.headers as unknown as globalThis.Headers, await bodyOf(answer));
      if (canRepeat && (await this.#mayRepeat(error, attempt, did, mandate, caller, approval, request.signal))) {
        await kept?.body?.cancel();
        continue;
      }
      if (kept) return kept;
      throw error;
    }
  }

  async #send(
    url: string,
    method: string,
    request: RequestInit,
    mandate: Mandate,
    key: ProofKey | undefined,
  ): Promise<Response> {
    const headers = new Headers(request.headers);
    headers.set("authorization", `${mandate.type} ${mandate.reveal()}`);
    headers.delete("x-api-key");
    if (mandate.type === "DPoP" && key) {
      headers.set("dpop", await key.prove({ method, url, mandate: mandate.reveal() }));
    }
    const duplex = isRepeatable(request.body) ? {} : { duplex: "half" as const };
    return this.#http.send(url, { ...request, ...duplex, method, headers });
  }

  /** Sees to what stands in the way; true when the same request may pass now. */
  async #mayRepeat(
    error: CaracalError,
    attempt: number,
    did: { nonce: boolean; mandate: boolean; approval: boolean },
    mandate: Mandate,
    caller: Caller,
    approval: GatewayInit["approval"],
    signal: RequestInit["signal"],
  ): Promise<boolean> {
    const once = (what: keyof typeof did): boolean => !did[what] && (did[what] = true);
    switch (error.code) {
      case "use_dpop_nonce":
        return once("nonce");
      case "mandate_expired":
        caller.forget(mandate);
        return once("mandate");
      case "mandate_revoked":
      case "mandate_invalid":
        // A session that is dead says so at the next mint.
        caller.forget(mandate);
        return once("mandate");
      case "feed_stale":
      case "overloaded":
        if (attempt >= ATTEMPTS) return false;
        await sleep(50 * 2 ** attempt, undefined, signal ? { signal } : {});
        return true;
      case "approval_required": {
        if (!approval || !error.approvalId || !once("approval")) return false;
        const options = approval === true ? {} : approval;
        await caller.waitForApproval(error.approvalId, signal ? { signal, ...options } : options);
        return true;
      }
      default:
        return false;
    }
  }
}

/** Where a redirect leads, when that is below the same resource and safe to follow. */
function follow(home: string, url: string, location: string, count: number, method: string): string {
  const target = URL.canParse(location, url) ? new URL(location, url).href : "";
  const isBelow = target === home || target.startsWith(`${home}/`) || target.startsWith(`${home}?`);
  if (!isBelow) {
    throw new RedirectRefusedError({ status: 0, message: "the answer redirects away from the Gateway" });
  }
  if (count >= MAX_REDIRECTS) throw new RedirectRefusedError({ status: 0, message: "there are too many redirects" });
  if (method !== "GET" && method !== "HEAD") {
    throw new RedirectRefusedError({ status: 0, message: `a redirected ${method} is not sent again` });
  }
  return target;
}

async function bodyOf(answer: Response): Promise<unknown> {
  try {
    return await answer.json();
  } catch {
    return undefined;
  }
}
