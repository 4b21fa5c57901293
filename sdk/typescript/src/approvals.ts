/** Waiting for a person. */
import { ApprovalExpiredError, ApprovalRejectedError, TimeoutError } from "./errors.js";
import { member, type Asked, type Sts } from "./sts.js";

/** How an approval is waited for. */
export interface ApprovalOptions {
  /** For how long in all, in seconds; 600 if absent. */
  timeoutSeconds?: number;
  signal?: AbortSignal;
  /** Told once when the wait begins, so that somebody can be asked. */
  notify?: (approvalId: string) => void;
}

/** How long one question waits, in seconds. */
const EACH = 25;

/** Returns when it is approved. */
export async function waitForApproval(
  sts: Sts,
  base: Pick<Asked, "credential" | "key">,
  id: string,
  options: ApprovalOptions = {},
): Promise<void> {
  options.notify?.(id);
  const until = Date.now() + (options.timeoutSeconds ?? 600) * 1000;
  while (Date.now() < until) {
    const wait = Math.max(1, Math.min(EACH, Math.ceil((until - Date.now()) / 1000)));
    const path = `/v1/approvals/${encodeURIComponent(id)}?wait=${wait}`;
    const signal = options.signal ? { signal: options.signal } : {};
    const body = await sts.ask({ ...base, ...signal, method: "GET", path, timeoutMs: (wait + 10) * 1000 });
    const reason = (body as { reason?: string }).reason;
    switch (member(body, "status", "string")) {
      case "approved":
        return;
      case "rejected":
        throw new ApprovalRejectedError({ status: 0, approvalId: id, message: reason ? `a person rejected it: ${reason}` : "a person rejected it" });
      case "expired":
      case "consumed":
        throw new ApprovalExpiredError({ status: 0, approvalId: id, message: "the approval can no longer be used" });
      default:
    }
  }
  throw new TimeoutError({ status: 0, approvalId: id, message: `nobody decided about \`${id}\` in time` });
}
