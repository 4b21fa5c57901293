/**
 * Caracal for TypeScript: short-lived, policy-approved authority in place of long-lived keys.
 *
 * @packageDocumentation
 */
export { Caracal, type ClientOptions, type ExchangeRequest } from "./client.js";
export { Session, type Delegation, type DelegationRequest, type Grant, type SessionRequest } from "./session.js";
export { Authority } from "./authority.js";
export { Mandate, type MandateRequest } from "./mandates.js";
export type { ApprovalOptions } from "./approvals.js";
export { checkPath, type GatewayInit } from "./gateway.js";
export type { HttpOptions } from "./http.js";
export { resolveSettings, type Binding, type Resolved, type Settings } from "./settings.js";
export { anthropic, openai, type ModelClientOptions } from "./clients.js";
export * from "./errors.js";
