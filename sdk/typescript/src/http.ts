/** The HTTP client of one Caracal client: its own connections, authorities and limits. */
import { Agent, fetch, Headers, type RequestInit, type Response } from "undici";
import { AnswerError, ConnectionError, TimeoutError } from "./errors.js";

/** The most that an answer of the STS may have, in bytes. */
const MAX_ANSWER = 1024 * 1024;

/** How this client speaks. */
export interface HttpOptions {
  /** PEM of the authorities that sign the certificates of STS and Gateway, besides none: it replaces the system's. */
  ca?: string;
  /** How long an answer of the STS may take, in milliseconds; 10,000 if absent. */
  timeoutMs?: number;
  /** How long the head of an answer through the Gateway may take, in milliseconds; 300,000 if absent. */
  callTimeoutMs?: number;
}

/** An answer that was read whole. */
export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

export class Http {
  readonly #agent: Agent;
  readonly #timeout: number;
  /** The server's clock minus ours, in milliseconds, as far as its answers tell. */
  offset = 0;

  constructor(options: HttpOptions) {
    this.#timeout = options.timeoutMs ?? 10_000;
    const call = options.callTimeoutMs ?? 300_000;
    this.#agent = new Agent({
      connect: { timeout: 5_000, ...(options.ca === undefined ? {} : { ca: options.ca }) },
      headersTimeout: call,
      bodyTimeout: 0,
    });
  }

  /** Sends a request; redirects are never followed. */
  async send(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, { ...init, redirect: "manual", dispatcher: this.#agent });
    } catch (cause) {
      throw failure(url, cause);
    }
  }

  /** Sends a request to the STS and reads its answer whole. */
  async ask(url: string, init: RequestInit, timeoutMs = this.#timeout): Promise<Answer> {
    const limit = AbortSignal.timeout(timeoutMs);
    const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
    const answer = await this.send(url, { ...init, signal });
    const date = Date.parse(answer.headers.get("date") ?? "");
    // Only the STS is believed, and its header has whole seconds: a smaller difference says nothing.
    if (!Number.isNaN(date)) this.offset = Math.abs(date - Date.now()) > 2_000 ? date - Date.now() : 0;
    const text = await readText(url, answer);
    let body: unknown;
    try {
      body = text === "" ? undefined : JSON.parse(text);
    } catch {
      if (answer.ok) throw new AnswerError({ status: answer.status, message: `the answer of \`${url}\` is no JSON` });
    }
    return { status: answer.status, headers: answer.headers, body };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

async function readText(url: string, answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of answer.body ?? []) {
      const bytes = part as Uint8Array;
      length += bytes.length;
      if (length > MAX_ANSWER) {
        throw new AnswerError({ status: answer.status, message: `the answer of \`${url}\` is too large` });
      }
      parts.push(bytes);
    }
  } catch (cause) {
    throw cause instanceof AnswerError ? cause : failure(url, cause);
  }
  return Buffer.concat(parts).toString("utf8");
}

function failure(url: string, cause: unknown): Error {
  const { origin } = new URL(url);
  const error = cause as Error & { cause?: Error & { code?: string } };
  if (error.name === "TimeoutError" || /^UND_ERR_.*TIMEOUT$/.test(error.cause?.code ?? "")) {
    return new TimeoutError({ status: 0, message: `\`${origin}\` did not answer in time` }, { cause });
  }
  if (error.name === "AbortError") return error;
  const why = error.cause?.code ?? error.cause?.message ?? error.message;
  return new ConnectionError({ status: 0, message: `\`${origin}\` cannot be reached: ${why}` }, { cause });
}

export { Headers };
