/**
 * Where a client's settings come from: what the program says, then the environment, then the profile
 * that `CARACAL_CONFIG` names. A client secret is sent only to an STS URL from the same source, or to
 * the local stack's when no source names one.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "smol-toml";
import { SettingsError } from "./errors.js";

/** What a program uses, and where calls to it are led from. */
export interface Binding {
  /** Such as `resource://openai`. */
  resource: string;
  /** URLs that begin with this are led through the Gateway to the resource. */
  upstreamPrefix?: string;
  /** The scopes that are asked for; without any, all that policy allows now. */
  scopes?: string[];
}

/** What a program may say itself. */
export interface Settings {
  zoneId?: string;
  applicationId?: string;
  clientSecret?: string;
  clientSecretFile?: string;
  stsUrl?: string;
  gatewayUrl?: string;
  defaultTtlSeconds?: number;
  credentials?: Binding[];
}

/** Settings that are whole and consistent. */
export interface Resolved {
  zoneId: string;
  applicationId: string;
  clientSecret?: string;
  stsUrl: string;
  gatewayUrl: string;
  defaultTtlSeconds: number;
  credentials: Binding[];
}

const LOCAL_STS = "http://localhost:8080";
const LOCAL_GATEWAY = "http://localhost:8081";
const PROFILE_KEYS: Record<string, keyof Settings> = {
  zone_id: "zoneId",
  application_id: "applicationId",
  app_client_secret: "clientSecret",
  app_client_secret_file: "clientSecretFile",
  sts_url: "stsUrl",
  gateway_url: "gatewayUrl",
  default_ttl_seconds: "defaultTtlSeconds",
  credentials: "credentials",
};
const VARIABLES: [string, keyof Settings][] = [
  ["CARACAL_ZONE_ID", "zoneId"],
  ["CARACAL_APPLICATION_ID", "applicationId"],
  ["CARACAL_APP_CLIENT_SECRET", "clientSecret"],
  ["CARACAL_APP_CLIENT_SECRET_FILE", "clientSecretFile"],
  ["CARACAL_STS_URL", "stsUrl"],
  ["CARACAL_GATEWAY_URL", "gatewayUrl"],
];

function wrong(message: string, hint?: string): SettingsError {
  return new SettingsError({ status: 0, message, ...(hint ? { hint } : {}) });
}

/** Puts the sources together, and refuses what is doubtful before anything is sent. */
export function resolveSettings(
  said: Settings = {},
  environment: Record<string, string | undefined> = process.env,
  needsSecret = true,
): Resolved {
  const named: Settings = {};
  for (const [variable, key] of VARIABLES) {
    const value = environment[variable];
    if (value) (named as Record<string, unknown>)[key] = value;
  }
  const path = environment["CARACAL_CONFIG"];
  const sources: [string, Settings][] = [
    ["what the program says", said],
    ["the environment", named],
    ["the profile", path ? readProfile(path) : {}],
  ];
  const find = <K extends keyof Settings>(key: K): NonNullable<Settings[K]> | undefined => {
    for (const [, source] of sources) if (source[key] !== undefined) return source[key];
    return undefined;
  };
  for (const [name, source] of sources) {
    if (source.clientSecret !== undefined && source.clientSecretFile !== undefined) {
      throw wrong(`${name} has a client secret and a file of one`, "keep one of them");
    }
  }
  const zoneId = find("zoneId");
  const applicationId = find("applicationId");
  if (!zoneId) throw wrong("no zone is named", "set `CARACAL_ZONE_ID`, or `zone_id` in the profile");
  if (!applicationId) {
    throw wrong("no application is named", "set `CARACAL_APPLICATION_ID`, or `application_id` in the profile");
  }
  const resolved: Resolved = {
    zoneId,
    applicationId,
    stsUrl: checkUrl("the STS", find("stsUrl") ?? LOCAL_STS),
    gatewayUrl: checkUrl("the Gateway", find("gatewayUrl") ?? LOCAL_GATEWAY),
    defaultTtlSeconds: find("defaultTtlSeconds") ?? 300,
    credentials: checkBindings(find("credentials") ?? []),
  };
  if (!needsSecret) return resolved;
  const holder = sources.find(([, source]) => source.clientSecret !== undefined || source.clientSecretFile !== undefined);
  if (!holder) {
    throw wrong("no client secret is named", "set `CARACAL_APP_CLIENT_SECRET_FILE` or `CARACAL_APP_CLIENT_SECRET`");
  }
  const [holderName, source] = holder;
  const naming = sources.find(([, other]) => other.stsUrl !== undefined);
  if (naming && naming[1] !== source) {
    throw wrong(
      `the client secret comes from ${holderName} and the STS URL from ${naming[0]}`,
      "a secret is sent only to an STS URL from the same source",
    );
  }
  resolved.clientSecret = source.clientSecret ?? readSecret(source.clientSecretFile ?? "");
  return resolved;
}

function readProfile(path: string): Settings {
  let parsed: Record<string, unknown>;
  try {
    parsed = parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch (cause) {
    throw wrong(`the profile \`${path}\` cannot be read: ${(cause as Error).message.split("\n")[0]}`);
  }
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parsed)) {
    const known = PROFILE_KEYS[key];
    if (!known) throw wrong(`the profile \`${path}\` has the unknown key \`${key}\``);
    const wanted = key === "credentials" ? "object" : key === "default_ttl_seconds" ? "number" : "string";
    if (typeof value !== wanted) throw wrong(`\`${key}\` in the profile \`${path}\` is no ${wanted}`);
    settings[known] = key === "credentials" ? readBindings(path, value) : value;
  }
  const file = settings["clientSecretFile"];
  if (typeof file === "string") settings["clientSecretFile"] = resolve(dirname(path), file);
  return settings as Settings;
}

function readBindings(path: string, value: unknown): Binding[] {
  if (!Array.isArray(value)) throw wrong(`\`credentials\` in the profile \`${path}\` is no list`);
  return value.map((entry: Record<string, unknown>) => {
    const { resource, upstream_prefix: prefix, scopes, ...other } = entry;
    const unknown = Object.keys(other)[0];
    if (unknown) throw wrong(`a credential in the profile \`${path}\` has the unknown key \`${unknown}\``);
    if (typeof resource !== "string") throw wrong(`a credential in the profile \`${path}\` names no resource`);
    const binding: Binding = { resource };
    if (prefix !== undefined) binding.upstreamPrefix = String(prefix);
    if (scopes !== undefined) {
      if (!Array.isArray(scopes)) throw wrong(`\`scopes\` of \`${resource}\` in the profile \`${path}\` is no list`);
      binding.scopes = scopes.map(String);
    }
    return binding;
  });
}

function checkBindings(bindings: Binding[]): Binding[] {
  for (const { resource, upstreamPrefix } of bindings) {
    if (!/^resource:\/\/[a-z0-9][a-z0-9-]{0,62}$/.test(resource)) {
      throw wrong(`\`${resource}\` names no resource`, "use for example `resource://openai`");
    }
    if (upstreamPrefix === undefined) continue;
    const url = URL.canParse(upstreamPrefix) ? new URL(upstreamPrefix) : null;
    if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username || url.password) {
      throw wrong(`\`upstream_prefix\` of \`${resource}\` is no plain URL of \`http\` or \`https\``);
    }
  }
  return bindings;
}

/** Reads a secret that only its owner can read. */
function readSecret(path: string): string {
  try {
    const mode = statSync(path).mode & 0o077;
    if (mode !== 0) throw wrong(`others can read the secret file \`${path}\``, `run \`chmod 600 ${path}\``);
    const secret = readFileSync(path, "utf8").trim();
    if (!secret) throw wrong(`the secret file \`${path}\` is empty`);
    return secret;
  } catch (cause) {
    if (cause instanceof SettingsError) throw cause;
    throw wrong(`the secret file \`${path}\` cannot be read: ${(cause as NodeJS.ErrnoException).code}`);
  }
}

/** A URL without a slash at the end; plain HTTP on this machine only. */
function checkUrl(door: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username || url.password) {
    throw wrong(`the URL of ${door}, \`${text}\`, is not one of \`http\` or \`https\``);
  }
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !isLocal) {
    throw wrong(`the URL of ${door}, \`${text}\`, is plain HTTP beyond this machine`, "use `https`");
  }
  return url.href.replace(/\/+$/, "");
}
