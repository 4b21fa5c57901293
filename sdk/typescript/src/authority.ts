/** What client and session have in common: mandates, calls, and waiting for people. */
import { fetch as plainFetch, Request, type RequestInfo, type Response } from "undici";
import { waitForApproval, type ApprovalOptions } from "./approvals.js";
import { InteractionRequiredError, ResourceUnboundError } from "./errors.js";
import type { Caller, Gateway, GatewayInit } from "./gateway.js";
import type { Mandate, MandateRequest, Mandates } from "./mandates.js";
import type { ProofKey } from "./proof.js";
import type { Binding } from "./settings.js";
import type { Asked, Sts } from "./sts.js";

/** The parts that authority is made of. */
export interface Parts {
  sts: Sts;
  gateway: Gateway;
  bindings: Binding[];
  allowDirect: ReadonlySet<string>;
}

export abstract class Authority {
  protected readonly parts: Parts;

  protected constructor(parts: Parts) {
    this.parts = parts;
    // So that it can be handed to any client that takes a `fetch`.
    this.fetch = this.fetch.bind(this);
  }

  protected abstract readonly mandates: Mandates;
  protected abstract base(): Pick<Asked, "credential" | "key">;
  /** Whose authority a call uses: this one's, or that of the session around it. */
  protected acting(): Authority {
    return this;
  }

  /** A mandate, kept and renewed before it ends. With `approval`, a held one is waited for. */
  async mandate(request: MandateRequest, approval?: ApprovalOptions | true): Promise<Mandate> {
    try {
      return await this.mandates.get(request);
    } catch (error) {
      const id = error instanceof InteractionRequiredError ? error.approvalId : undefined;
      if (!approval || id === undefined) throw error;
      await this.waitForApproval(id, approval === true ? {} : approval);
      return this.mandates.get({ ...request, approvalId: id });
    }
  }

  /** Returns when a person has approved. */
  async waitForApproval(id: string, options: ApprovalOptions = {}): Promise<void> {
    await waitForApproval(this.parts.sts, this.base(), id, options);
  }

  /**
   * Calls a resource through the Gateway. `path` is below the resource: absolute URLs, dot segments
   * and resources that are not bound are refused before anything is sent.
   */
  async gatewayRequest(resource: string, path: string, init: GatewayInit = {}): Promise<Response> {
    const binding = this.parts.bindings.find((bound) => bound.resource === resource);
    if (!binding) {
      throw new ResourceUnboundError({
        status: 0,
        message: `\`${resource}\` is not bound`,
        hint: "name it in `credentials`",
      });
    }
    const scopes = init.scopes ?? binding.scopes;
    const governed = scopes === undefined ? init : { ...init, scopes };
    return this.parts.gateway.call(resource, path, governed, this.acting().caller(resource));
  }

  /**
   * `fetch`, governed: a URL below a binding's `upstreamPrefix` is led through the Gateway, every
   * other one is refused unless its host is in `allowDirect`.
   */
  async fetch(input: RequestInfo | URL, init: GatewayInit = {}): Promise<Response> {
    const request = typeof input === "string" || input instanceof URL ? undefined : (input as Request);
    const url = new URL(request ? request.url : String(input));
    const found = this.#bound(url);
    if (!found) {
      if (this.parts.allowDirect.has(url.host)) return plainFetch(input, init);
      throw new ResourceUnboundError({
        status: 0,
        message: `no binding covers \`${url.origin}\``,
        hint: "add a credential with its `upstream_prefix`, or the host to `allowDirect`",
      });
    }
    const given: GatewayInit = request
      ? { method: request.method, headers: request.headers, body: request.body, signal: request.signal, ...init }
      : init;
    return this.gatewayRequest(found.resource, found.path, given);
  }

  #bound(url: URL): { resource: string; path: string } | undefined {
    let best: { resource: string; path: string; length: number } | undefined;
    for (const { resource, upstreamPrefix } of this.parts.bindings) {
      if (upstreamPrefix === undefined) continue;
      const prefix = new URL(upstreamPrefix);
      const base = prefix.pathname.replace(/\/+$/, "");
      const isBelow = url.pathname === base || url.pathname.startsWith(`${base}/`);
      if (url.origin !== prefix.origin || !isBelow || base.length < (best?.length ?? 0)) continue;
      const rest = url.pathname.slice(base.length);
      best = { resource, path: `${rest === "" ? "/" : rest}${url.search}`, length: base.length };
    }
    return best;
  }

  /** Who makes the calls to a resource. */
  protected caller(resource: string): Caller {
    const { key } = this.base();
    return {
      key,
      mandate: (scopes, delegationId) =>
        this.mandates.get({
          resource,
          ...(scopes === undefined ? {} : { scopes }),
          ...(delegationId === undefined ? {} : { delegationId }),
        }),
      forget: (mandate) => this.mandates.forget(mandate),
      waitForApproval: (id, options) => this.waitForApproval(id, options),
    };
  }
}

export type { ProofKey };
