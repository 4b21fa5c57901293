import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  checkPath,
  ERRORS,
  errorOfAnswer,
  GatewayPathError,
  NotNarrowerError,
  PolicyDeniedError,
  resolveSettings,
  SettingsError,
  UnknownRefusalError,
} from "../src/index.js";

const WHO = { CARACAL_ZONE_ID: "zone_1", CARACAL_APPLICATION_ID: "app_1" };
const dir = mkdtempSync(join(tmpdir(), "caracal-sdk-"));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(dir, name);
  writeFileSync(path, text, { mode });
  return path;
}

test("what the program says wins over the environment, and that over the profile", () => {
  const CARACAL_CONFIG = file("a.toml", 'zone_id = "zone_2"\napplication_id = "app_2"\ndefault_ttl_seconds = 60\n');
  const found = resolveSettings({ clientSecret: "s", zoneId: "zone_0" }, { CARACAL_CONFIG, CARACAL_APPLICATION_ID: "app_1" });
  assert.deepEqual([found.zoneId, found.applicationId, found.defaultTtlSeconds], ["zone_0", "app_1", 60]);
  assert.equal(found.stsUrl, "http://localhost:8080");
});

test("a secret is read from a file that only its owner reads", () => {
  const secret = file("secret", "shhh\n");
  assert.equal(resolveSettings({}, { ...WHO, CARACAL_APP_CLIENT_SECRET_FILE: secret }).clientSecret, "shhh");
  const open = file("open", "shhh\n", 0o644);
  assert.throws(() => resolveSettings({}, { ...WHO, CARACAL_APP_CLIENT_SECRET_FILE: open }), /others can read/);
  // Beside the profile, wherever the program runs.
  const CARACAL_CONFIG = file("b.toml", 'app_client_secret_file = "secret"\n');
  assert.equal(resolveSettings({}, { ...WHO, CARACAL_CONFIG }).clientSecret, "shhh");
});

for (const [name, said, environment, profile, why] of [
  ["no zone", {}, { CARACAL_APPLICATION_ID: "app_1" }, "", /no zone/],
  ["no application", {}, { CARACAL_ZONE_ID: "zone_1" }, "", /no application/],
  ["no secret", {}, WHO, "", /no client secret/],
  ["two secrets", {}, { ...WHO, CARACAL_APP_CLIENT_SECRET: "s", CARACAL_APP_CLIENT_SECRET_FILE: "f" }, "", /and a file/],
  ["an unknown key", { clientSecret: "s" }, WHO, 'zone = "x"\n', /unknown key `zone`/],
  ["an unknown key of a credential", { clientSecret: "s" }, WHO, '[[credentials]]\nresource = "resource://a"\nsecret = "x"\n', /unknown key `secret`/],
  ["a wrong type", { clientSecret: "s" }, WHO, 'default_ttl_seconds = "x"\n', /is no number/],
  ["no TOML", { clientSecret: "s" }, WHO, "zone_id = \n", /cannot be read/],
  ["a secret for the URL of another source", { stsUrl: "https://evil.example" }, { ...WHO, CARACAL_APP_CLIENT_SECRET: "s" }, "", /same source/],
  ["the same from a profile", {}, { ...WHO, CARACAL_APP_CLIENT_SECRET: "s" }, 'sts_url = "https://evil.example"\n', /same source/],
  ["plain HTTP beyond this machine", { clientSecret: "s", stsUrl: "http://sts.example" }, WHO, "", /plain HTTP/],
  ["a Gateway by plain HTTP", { clientSecret: "s", gatewayUrl: "http://10.0.0.1:8081" }, WHO, "", /plain HTTP/],
  ["a URL with a password", { clientSecret: "s", stsUrl: "https://a:b@sts.example" }, WHO, "", /is not one of/],
  ["no resource", { clientSecret: "s", credentials: [{ resource: "openai" }] }, WHO, "", /names no resource/],
  ["a prefix that is no URL", { clientSecret: "s", credentials: [{ resource: "resource://a", upstreamPrefix: "api" }] }, WHO, "", /no plain URL/],
] as const) {
  test(`refused before anything is sent: ${name}`, () => {
    const CARACAL_CONFIG = profile === "" ? undefined : file("c.toml", profile);
    assert.throws(() => resolveSettings(said as object, { ...environment, CARACAL_CONFIG }), (error) => {
      assert.ok(error instanceof SettingsError);
      assert.match(error.message, why);
      assert.ok(!error.message.includes("shhh"));
      return true;
    });
  });
}

test("a path stays below its resource", () => {
  for (const good of ["/", "/v1/models", "/a/b?x=../y", "/a%2Fb", "/v1/"]) assert.equal(checkPath(good), good);
  const bad = ["https://evil.example/x", "//evil.example", "x", "", "/../x", "/a/./b", "/%2e%2e/x", "/a//b", "/a\\b", "/a b", "/a#b", "/%zz", "/a\u0000"];
  for (const path of bad) assert.throws(() => checkPath(path), GatewayPathError, path);
});

test("every code has a class of its own, and what is not known keeps its code", () => {
  for (const [code, made] of ERRORS) assert.equal(new made({ status: 1, message: "m" }).code, code);
  assert.equal(new Set(ERRORS.values()).size, ERRORS.size);
  const body = { code: "policy_denied", detail: "no", request_id: "r", hint: "ask" };
  const denied = errorOfAnswer(403, new Headers({ "retry-after": "3" }), body);
  assert.ok(denied instanceof PolicyDeniedError);
  assert.deepEqual([denied.requestId, denied.retryAfterSeconds, denied.message], ["r", 3, "no (ask)"]);
  const example = { resource: "resource://a", scope: "a:b" };
  const wide = errorOfAnswer(409, new Headers(), { error: "not_narrower", error_description: "no", counterexample: example });
  assert.ok(wide instanceof NotNarrowerError);
  assert.deepEqual(wide.counterexample, example);
  const other = errorOfAnswer(418, new Headers(), { code: "of_tomorrow" });
  assert.ok(other instanceof UnknownRefusalError && other.code === "of_tomorrow");
});
