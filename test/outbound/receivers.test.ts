import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { webhookSignature } from "../../lib/outbound/webhook-signature.ts";
import { ROOT } from "../support/root.ts";
import { endStacks, temporaryDir, until } from "../support/stack.ts";

// The receivers in docs/verify-signatures.md, run as they are printed there.

const page = readFileSync(join(ROOT, "docs/verify-signatures.md"), "utf8");
const codeIn = (language: string) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(page)?.[1] ?? "";

const key = randomBytes(32);
const env = { ...process.env, WEBHOOK_SECRET: `whsec_${key.toString("base64")}` };
const children: ChildProcess[] = [];

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await endStacks();
});

function isInstalled(command: string, asked = "--version"): boolean {
  try {
    execFileSync(command, [asked], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const now = () => Math.floor(Date.now() / 1_000);

/** Genuine and forged requests. */
function requests() {
  const [id, body] = [randomUUID(), Buffer.from('{"paid":true,"name":"é"}')];
  const other = randomBytes(32);
  const signed = (timestamp: number, keys = [key]) => webhookSignature(keys, { id, timestamp, body });
  const at = now();
  return [
    { id, timestamp: at, signature: signed(at), body, genuine: true },
    { id, timestamp: at, signature: signed(at, [other, key]), body, genuine: true },
    { id, timestamp: at, signature: signed(at, [other]), body, genuine: false },
    { id, timestamp: at, signature: signed(at), body: Buffer.from('{"paid":false}'), genuine: false },
    { id: randomUUID(), timestamp: at, signature: signed(at), body, genuine: false },
    { id, timestamp: at - 600, signature: signed(at - 600), body, genuine: false },
    { id, timestamp: at - 10, signature: signed(at), body, genuine: false },
    { id, timestamp: at, signature: "v1,", body, genuine: false },
  ];
}

test.each(
  [
    { language: "js", file: "receiver.mjs", command: process.execPath },
    { language: "python", file: "receiver.py", command: "python3" },
    { language: "java", file: "Receiver.java", command: "java" },
  ].filter(({ command }) => isInstalled(command)),
)("the receiver in $language takes what is genuine alone", async ({ language, file, command }) => {
  const path = join(temporaryDir(), file);
  writeFileSync(path, codeIn(language));
  const port = await freePort();
  children.push(spawn(command, [path], { env: { ...env, PORT: String(port) }, stdio: "ignore" }));
  const post = async (headers: Record<string, string>, body: Buffer) =>
    fetch(`http://127.0.0.1:${port}/hook`, { method: "POST", headers, body: new Uint8Array(body) });
  await until(async () => post({}, Buffer.from("{}")).catch(() => false));
  for (const { id, timestamp, signature, body, genuine } of requests()) {
    const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signature };
    expect((await post(headers, body)).status).toBe(genuine ? 204 : 401);
  }
});

test.skipIf(!isInstalled("openssl", "version"))("the check in bash takes what is genuine alone", () => {
  const dir = temporaryDir();
  const path = join(dir, "receiver.sh");
  writeFileSync(path, codeIn("bash"));
  for (const { id, timestamp, signature, body, genuine } of requests()) {
    writeFileSync(join(dir, "body"), body);
    const check = () => execFileSync("bash", [path, id, String(timestamp), signature, join(dir, "body")], { env });
    if (genuine) check();
    else expect(check).toThrow();
  }
});
