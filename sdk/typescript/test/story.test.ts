/**
 * The story that every SDK tells, against the real server with TLS and DPoP. Whoever runs it starts
 * the server and says in the environment where it is.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import {
  AccessDeniedError,
  ApprovalRequiredError,
  Caracal,
  ClosedError,
  GatewayPathError,
  InvalidGrantError,
  MandateRevokedError,
  NotNarrowerError,
  openai,
  OperationNotDeclaredError,
  RedirectRefusedError,
  ResourceUnboundError,
  ScopeMissingError,
  Session,
} from "../src/index.js";
import { requireMandate, Verifier } from "../src/verify.js";

const env = process.env;
const bin = env["STORY_CARACAL"];
const skip = bin === undefined ? "no server was started for it" : false;
const ca = env["STORY_CA"] === undefined ? undefined : readFileSync(env["STORY_CA"], "utf8");
const upstream = "https://api.example.com";

function operate(...args: string[]): string {
  return execFileSync(bin ?? "", args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
}

function options(name: "ANTON" | "BERTA") {
  return {
    ...(ca === undefined ? {} : { ca }),
    zoneId: env["STORY_ZONE"] ?? "",
    applicationId: env[`STORY_${name}_ID`] ?? "",
    clientSecret: env[`STORY_${name}_SECRET`] ?? "",
    stsUrl: env["STORY_STS"] ?? "",
    gatewayUrl: env["STORY_GATEWAY"] ?? "",
    credentials: [{ resource: "resource://items", upstreamPrefix: `${upstream}/v1`, scopes: ["items:read"] }],
  };
}

let anton: Caracal;
let berta: Caracal;
before(async () => {
  if (skip) return;
  [anton, berta] = [await Caracal.create(options("ANTON")), await Caracal.create(options("BERTA"))];
});
after(async () => {
  await anton?.close();
  await berta?.close();
});

test("allow and deny", { skip }, async () => {
  const answer = await anton.fetch(`${upstream}/v1/items/1?x=1`);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { method: "GET", path: "/items/1" });
  assert.ok(answer.headers.get("caracal-receipt"));
  const mandate = await anton.mandate({ resource: "resource://items", scopes: ["items:read"] });
  assert.equal(mandate.type, "DPoP");
  assert.ok(!JSON.stringify(mandate).includes(mandate.reveal()));
  await assert.rejects(anton.mandate({ resource: "resource://items", scopes: ["items:admin"] }), AccessDeniedError);
  await assert.rejects(anton.gatewayRequest("resource://items", "/items/1", { method: "POST", body: "x" }), ScopeMissingError);
  await assert.rejects(anton.gatewayRequest("resource://items", "/x", { method: "PATCH" }), OperationNotDeclaredError);
});

test("nothing is sent that leads elsewhere", { skip }, async () => {
  await assert.rejects(anton.fetch("https://evil.example/"), ResourceUnboundError);
  await assert.rejects(anton.fetch(`${upstream}/v1evil/x`), ResourceUnboundError);
  await assert.rejects(anton.gatewayRequest("resource://other", "/"), ResourceUnboundError);
  await assert.rejects(anton.gatewayRequest("resource://items", "https://evil.example/"), GatewayPathError);
  await assert.rejects(anton.gatewayRequest("resource://items", "/%2e%2e/x"), GatewayPathError);
  // The upstream's own redirects are led through the Gateway.
  const led = await anton.gatewayRequest("resource://items", "/redirect");
  assert.deepEqual(await led.json(), { method: "GET", path: "/elsewhere" });
  await assert.rejects(
    anton.gatewayRequest("resource://items", "/redirect", { method: "DELETE", scopes: ["items:delete"] }),
    RedirectRefusedError,
  );
});

test("a thousand calls at once share one mint", { skip }, async () => {
  const count = (): number => operate("audit", "list", "--zone", env["STORY_ZONE"] ?? "", "--json", "--limit", "100000")
    .split("\n").filter((line) => line.includes('"mandate.issued"')).length;
  await using own = await Caracal.create(options("ANTON"));
  const earlier = count();
  const answers = await Promise.all(Array.from({ length: 1000 }, async () => {
    const answer = await own.fetch(`${upstream}/v1/items/1`);
    await answer.text();
    return answer.status;
  }));
  assert.deepEqual([...new Set(answers)], [200]);
  assert.equal(count() - earlier, 1);
});

test("narrow and delegate", { skip }, async () => {
  await using session = await anton.session({ labels: ["support"], ttlSeconds: 600 });
  assert.equal((await session.fetch(`${upstream}/v1/items/2`)).status, 200);
  await using child = await session.child({ authority: [{ resource: "resource://items", scopes: ["items:read"] }] });
  assert.equal((await child.fetch(`${upstream}/v1/items/3`)).status, 200);
  await assert.rejects(child.mandate({ resource: "resource://items", scopes: ["items:delete"] }), AccessDeniedError);
  await assert.rejects(
    child.child({ authority: [{ resource: "resource://items", scopes: ["items:delete"] }] }),
    (error) => error instanceof NotNarrowerError && error.counterexample?.scope === "items:delete",
  );
  const narrow = await anton.exchange({
    mandate: await session.mandate({ resource: "resource://items" }),
    resource: "resource://items",
    scopes: ["items:read"],
  });
  assert.deepEqual(narrow.scopes, ["items:read"]);

  await using receiver = await berta.session();
  await assert.rejects(receiver.fetch(`${upstream}/v1/items/4`), AccessDeniedError);
  const lent = await session.delegate({
    toApplication: env["STORY_BERTA_ID"] ?? "",
    authority: [{ resource: "resource://items", scopes: ["items:read"] }],
    ttlSeconds: 300,
  });
  assert.equal(lent.status, "offered");
  assert.equal((await receiver.accept(lent.id)).status, "active");
  assert.equal((await receiver.fetch(`${upstream}/v1/items/4`)).status, 200);
  await session.endDelegation(lent.id);
  await assert.rejects(receiver.fetch(`${upstream}/v1/items/4`));
});

test("calls inside a session's run are its own", { skip }, async () => {
  await using session = await anton.session();
  const ids = await session.run(async () => {
    await anton.fetch(`${upstream}/v1/items/5`);
    return [Session.current()?.id];
  });
  assert.deepEqual(ids, [session.id]);
  assert.equal(Session.current(), undefined);
  const events = operate("audit", "list", "--zone", env["STORY_ZONE"] ?? "", "--json", "--limit", "100000");
  const calls = events.split("\n").filter((line) => line.includes('"call.started"') && line.includes(session.id));
  assert.equal(calls.length, 1);
});

test("a person approves", { skip }, async () => {
  await using session = await anton.session();
  const held = { method: "POST", body: "pay 5", scopes: ["items:write"], headers: { "content-type": "text/plain" } };
  await assert.rejects(session.gatewayRequest("resource://items", "/items/7", held), ApprovalRequiredError);
  const asked: string[] = [];
  const answer = await session.gatewayRequest("resource://items", "/items/7", {
    ...held,
    approval: {
      notify: (id) => {
        asked.push(id);
        operate("approval", "approve", id, "--zone", env["STORY_ZONE"] ?? "", "--reason", "fine");
      },
    },
  });
  assert.equal(answer.status, 200);
  assert.equal(asked.length, 1);
  await assert.rejects(session.gatewayRequest("resource://items", "/items/7", held), ApprovalRequiredError);
});

test("a revocation cuts the stream, and the session is over", { skip }, async () => {
  await using session = await anton.session();
  const stream = await session.fetch(`${upstream}/v1/stream`);
  const reader = stream.body?.getReader();
  assert.ok(reader);
  await reader.read();
  operate("revoke", session.id, "--zone", env["STORY_ZONE"] ?? "");
  await assert.rejects(async () => {
    for (;;) if ((await reader.read()).done) return;
  });
  await assert.rejects(session.fetch(`${upstream}/v1/items/8`), (error) => {
    return error instanceof MandateRevokedError || error instanceof InvalidGrantError;
  });
});

test("mandates are renewed before they end", { skip }, async () => {
  await using own = await Caracal.create({ ...options("ANTON"), defaultTtlSeconds: 6 });
  const first = await own.mandate({ resource: "resource://items" });
  assert.equal(await own.mandate({ resource: "resource://items" }), first);
  const until = Date.now() + 20_000;
  let next = first;
  while (next === first && Date.now() < until) {
    assert.equal((await own.fetch(`${upstream}/v1/items/9`)).status, 200);
    next = await own.mandate({ resource: "resource://items" });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.notEqual(next, first);
});

test("a closed session sends nothing", { skip }, async () => {
  const session = await anton.session();
  await session.close();
  await session.close();
  await assert.rejects(session.fetch(`${upstream}/v1/items/1`), ClosedError);
});

test("keys are rotated and the server restarts under a client", { skip }, async () => {
  await using session = await anton.session();
  assert.equal((await session.fetch(`${upstream}/v1/items/1`)).status, 200);
  operate("zone", "rotate-key", "--zone", env["STORY_ZONE"] ?? "");
  assert.equal((await session.fetch(`${upstream}/v1/items/1`)).status, 200);
  operate("restart");
  assert.equal((await session.fetch(`${upstream}/v1/items/1`)).status, 200);
  const fresh = await session.mandate({ resource: "resource://items", ttlSeconds: 61 });
  assert.equal(fresh.type, "DPoP");
});

test("the OpenAI client needs no key", { skip }, async () => {
  await using session = await anton.session();
  const client = new OpenAI(openai(session, `${upstream}/v1`));
  const models = (await client.models.list()) as unknown as { body: unknown };
  assert.ok(models);
  await assert.rejects(client.models.delete("x"), (error) => (error as { status?: number }).status === 403);
});

test("a service verifies mandates itself", { skip }, async () => {
  const verifying = {
    issuer: `${env["STORY_STS"]}/zones/${env["STORY_ZONE"]}`,
    audience: "resource://items",
    ...(ca === undefined ? {} : { ca }),
    feed: { clientId: env["STORY_BERTA_ID"] ?? "", clientSecret: env["STORY_BERTA_SECRET"] ?? "" },
  } as const;
  let verifier: Verifier | undefined;
  const server = createServer((request, response) => {
    const express = {
      status: (code: number) => ((response.statusCode = code), express),
      set: (name: string, value: string) => (response.setHeader(name, value), express),
      json: (body: unknown) => response.end(JSON.stringify(body)),
    };
    const asked = { headers: request.headers, method: request.method ?? "", originalUrl: request.url ?? "" };
    const guard = requireMandate(verifier as Verifier, "items:read");
    void guard(asked, express, () => response.end(JSON.stringify({ sid: (asked as { mandate?: { claims: { sid: string } } }).mandate?.claims.sid })));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  verifier = new Verifier({ ...verifying, publicUrl });
  await using bearer = await Caracal.create({ ...options("ANTON"), dpop: false });
  await using session = await bearer.session();
  const mandate = await session.mandate({ resource: "resource://items", scopes: ["items:read"] });
  const ask = async (text: string): Promise<[number, { code?: string; sid?: string }]> => {
    const answer = await fetch(`${publicUrl}/tools`, { headers: { authorization: `Bearer ${text}` } });
    return [answer.status, (await answer.json()) as { code?: string; sid?: string }];
  };
  assert.deepEqual(await ask(mandate.reveal()), [200, { sid: session.id }]);
  assert.deepEqual((await ask("x.y.z"))[1].code, "mandate_invalid");
  const bound = await anton.mandate({ resource: "resource://items", scopes: ["items:read"] });
  assert.deepEqual((await ask(bound.reveal()))[1].code, "proof_invalid");
  const other = await session.mandate({ resource: "resource://items", scopes: ["items:delete"] });
  assert.deepEqual((await ask(other.reveal()))[1].code, "scope_missing");
  const exact = await session.mandate({
    resource: "resource://items",
    scopes: ["items:read"],
    authorizationDetails: [
      { type: "caracal_call", locations: ["resource://items"], actions: ["items:read"], method: "GET", path: "/items/1" },
    ],
  });
  assert.deepEqual((await ask(exact.reveal()))[1].code, "action_not_authorized");
  operate("revoke", session.id, "--zone", env["STORY_ZONE"] ?? "");
  const until = Date.now() + 5_000;
  let seen = await ask(mandate.reveal());
  while (seen[0] === 200 && Date.now() < until) seen = await ask(mandate.reveal());
  assert.deepEqual(seen[1].code, "mandate_revoked");
  await verifier.close();
  // Without the feed nothing can be told.
  verifier = new Verifier({ ...verifying, publicUrl, feed: { ...verifying.feed, clientSecret: "wrong" } });
  assert.deepEqual((await ask(mandate.reveal()))[1].code, "feed_stale");
  await verifier.close();
  server.close();
});
