/** What well-known clients take, so that they need no key of their own. */
import type { Authority } from "./authority.js";

/** Options for `new OpenAI(…)` and `new Anthropic(…)`. */
export interface ModelClientOptions {
  /** The client insists on a key; this one is no secret and never reaches a provider. */
  apiKey: string;
  baseURL: string;
  fetch: typeof globalThis.fetch;
}

function governed(authority: Authority, baseURL: string): ModelClientOptions {
  // These clients read refusals as answers, and must not try a held call again and again.
  const call = (input: unknown, init?: object): Promise<unknown> =>
    authority.fetch(input as string, { ...init, refusals: "response" });
  return { apiKey: "governed-by-caracal", baseURL, fetch: call as unknown as typeof globalThis.fetch };
}

/** For `new OpenAI(openai(session))`, with a binding whose `upstreamPrefix` covers the base URL. */
export function openai(authority: Authority, baseURL = "https://api.openai.com/v1"): ModelClientOptions {
  return governed(authority, baseURL);
}

/** For `new Anthropic(anthropic(session))`. */
export function anthropic(authority: Authority, baseURL = "https://api.anthropic.com"): ModelClientOptions {
  return governed(authority, baseURL);
}
