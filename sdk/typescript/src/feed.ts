/** What has ended since mandates were issued, as the zone's revocation feed tells it. */
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { setTimeout as sleep } from "node:timers/promises";
import { Headers, type Http } from "./http.js";
import type { Claims } from "./verify.js";

/** The position of a zone's history: epoch and revision. */
interface Position {
  epoch: string;
  revision: number;
}

/** Reads `EPOCH.REVISION.HASH`. */
export function readPosition(text: string): Position | undefined {
  const [epoch, revision] = text.split(".");
  const number = Number(revision);
  return epoch && revision && Number.isSafeInteger(number) ? { epoch, revision: number } : undefined;
}

/** What the feed says of a mandate: good, dead, or that it cannot tell. */
export type Verdict = "good" | "dead" | "suspended" | "stale" | "unknown";

/** Mandates never live longer, in milliseconds. */
const LONGEST_LIFE = 900_000;

export class Feed {
  readonly #http: Http;
  readonly #url: string;
  readonly #authorization: string;
  readonly #maxSilence: number;
  #stop = new AbortController();
  #position: Position | undefined;
  /** Before this position endings of objects that are gone were not told. */
  #complete: Position | undefined;
  #resetAt = 0;
  /** How often it was begun anew: what was asked before the last time may have ended unheard. */
  resets = 0;
  /** By the clock that is never set. */
  #heard = Number.NEGATIVE_INFINITY;
  #lastId: string | undefined;
  #revoked = new Map<string, { at: number; through?: number }>();
  #ended = new Map<string, number>();
  #suspended = new Set<string>();
  #fenced = new Map<string, { through: number; generation: number | undefined }>();
  #onKey: (() => void) | undefined;
  #waiting: (() => void)[] = [];

  constructor(http: Http, url: string, authorization: string, maxSilenceMs: number) {
    this.#http = http;
    this.#url = url;
    this.#authorization = authorization;
    this.#maxSilence = maxSilenceMs;
  }

  /** Listens until `close()`, and comes back after every failure. */
  start(onKeyDropped: () => void): void {
    this.#onKey = onKeyDropped;
    void this.#run(this.#stop.signal);
  }

  close(): void {
    this.#stop.abort();
  }

  /** What the feed says of a mandate with these claims, used on this resource. */
  judge(claims: Claims, others: readonly string[]): Verdict {
    if (this.#position === undefined || performance.now() - this.#heard > this.#maxSilence) return "stale";
    const decided = readPosition(claims.rev);
    if (!decided || decided.epoch !== this.#position.epoch) return "dead";
    if (decided.revision > this.#position.revision) return "stale";
    const anchors = [claims.jti, claims.sid, claims.client_id, claims.zone, ...(claims.anc ?? []), ...(claims.dlg ?? []), ...others];
    for (const anchor of anchors) {
      if (this.#ended.has(anchor)) return "dead";
      const revoked = this.#revoked.get(anchor);
      // Lifted: what was decided up to then stays dead.
      if (revoked && (revoked.through === undefined || decided.revision <= revoked.through)) return "dead";
    }
    const fence = this.#fenced.get(claims.sid);
    const isOld = fence?.generation !== undefined && claims.gen !== undefined && claims.gen < fence.generation;
    if (isOld || (fence && decided.revision <= fence.through)) return "dead";
    if (anchors.some((anchor) => this.#suspended.has(anchor))) return "suspended";
    // After a reset nobody told what had been closed before it.
    const isAfter = this.#complete !== undefined && decided.revision > this.#complete.revision;
    return isAfter || performance.now() - this.#resetAt > LONGEST_LIFE ? "good" : "unknown";
  }

  /** Waits until the feed has come further, at most so long. */
  async further(ms: number): Promise<void> {
    let wake = (): void => undefined;
    const moved = new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiting.push(resolve);
    });
    await Promise.race([moved, sleep(ms, undefined, { ref: false })]);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== wake);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let pause = 50;
    while (!signal.aborted) {
      const begun = performance.now();
      try {
        await this.#listen(signal);
      } catch {
        // Silence tells the verifier; what follows is another try.
      }
      pause = performance.now() - begun > 5_000 ? 50 : Math.min(pause * 2, 2_000);
      await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const headers = new Headers({ accept: "text/event-stream", authorization: this.#authorization });
    if (this.#lastId !== undefined) headers.set("last-event-id", this.#lastId);
    const quiet = new AbortController();
    const answer = await this.#http.send(this.#url, { headers, signal: AbortSignal.any([signal, quiet.signal]) });
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new Error(`the feed answered ${answer.status}`);
    }
    const parser = createParser({ onEvent: (event) => this.#hear(event) });
    const decoder = new TextDecoder();
    // A connection that died without a word is given up.
    const watch = setInterval(() => {
      if (performance.now() - this.#heard > this.#maxSilence * 2) quiet.abort();
    }, this.#maxSilence);
    watch.unref();
    this.#heard = Math.max(this.#heard, performance.now() - this.#maxSilence);
    try {
      for await (const part of answer.body ?? []) parser.feed(decoder.decode(part as Uint8Array, { stream: true }));
    } finally {
      clearInterval(watch);
    }
  }

  #hear({ event, data, id }: EventSourceMessage): void {
    const told = JSON.parse(data) as { anchor?: string; revision?: number; through?: number; generation?: number; position?: string };
    const { anchor, revision = 0 } = told;
    switch (event) {
      case "reset":
        this.#revoked.clear();
        this.#ended.clear();
        this.#suspended.clear();
        this.#fenced.clear();
        this.resets += 1;
        [this.#position, this.#complete, this.#resetAt] = [undefined, undefined, performance.now()];
        return;
      case "heartbeat":
        this.#position = readPosition(told.position ?? "");
        this.#complete ??= this.#position;
        this.#heard = performance.now();
        this.#lastId = id ?? this.#lastId;
        for (const wake of this.#waiting.splice(0)) wake();
        this.#forget();
        return;
      case "key_dropped":
        this.#onKey?.();
        return;
      default:
    }
    if (anchor === undefined) return;
    switch (event) {
      case "revoked":
        this.#revoked.set(anchor, { at: performance.now() });
        break;
      case "lifted":
        this.#revoked.set(anchor, { at: performance.now(), through: told.through ?? revision });
        break;
      case "ended":
        this.#ended.set(anchor, performance.now());
        break;
      case "suspended":
        this.#suspended.add(anchor);
        break;
      case "resumed":
        this.#suspended.delete(anchor);
        break;
      case "fenced":
        this.#fenced.set(anchor, { through: told.through ?? revision, generation: told.generation });
        break;
      default:
      // Of a later version; what it ends is told by what this one knows, or by introspection.
    }
  }

  /** Forgets what no living mandate can stand on. */
  #forget(): void {
    const before = performance.now() - LONGEST_LIFE - 60_000;
    for (const [anchor, at] of this.#ended) {
      if (at >= before) break;
      this.#ended.delete(anchor);
    }
    for (const [anchor, { at }] of this.#revoked) {
      if (anchor.startsWith("mnd_") && at < before) this.#revoked.delete(anchor);
    }
  }
}
