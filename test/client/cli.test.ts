import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStacks, sharedStack, temporaryDir, type Stack } from "../support/stack.ts";
import { startTarget, type Target } from "../support/target.ts";
import { answerByPath, command, has, newClient, post, scheduled } from "./world.ts";

// The command line against a running service.

let stack: Stack;
let target: Target;

beforeAll(async () => {
  [stack, target] = await Promise.all([sharedStack(), startTarget()]);
});
afterAll(async () => {
  await endStacks();
  await target.close();
});

const linesOf = (text: string) => text.trimEnd().split("\n");

test("shows, lists, waits for and tries jobs again", async () => {
  answerByPath(target);
  const { token } = await newClient(stack);
  const [good, bad] = [
    await post(stack, token, { url: target.url, path: "/good" }),
    await post(stack, token, { url: target.url, path: "/fail" }),
  ];
  expect(await command(stack, token, "wait", good)).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(`^${good}  SUCCEEDED`),
  });
  expect(await command(stack, token, "wait", good, bad)).toMatchObject({ status: 1 });
  expect(await command(stack, token, "watch", bad)).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("HTTP 500"),
  });
  const listed = await command(stack, token, "list", "--status", "dead", "--since", "1h", "--json");
  expect(linesOf(listed.stdout).map((line) => JSON.parse(line).id)).toEqual([bad]);
  const shown = await command(stack, token, "get", bad);
  expect(linesOf(shown.stdout)).toEqual([
    expect.stringContaining(`${bad}  DEAD       rest-api`),
    expect.stringMatching(/^ {2}1 {2}\S+ {2}retry {2}500 {2}\d+ ms {2}HTTP 500$/),
  ]);
  expect(await command(stack, token, "redrive", bad)).toMatchObject({
    status: 0,
    stdout: expect.stringContaining("PENDING"),
  });
  expect(await command(stack, token, "redrive", bad, "--status", "DEAD")).toMatchObject({ status: 2 });
  const bulk = await command(stack, token, "redrive", "--status", "DEAD", "--json");
  expect(JSON.parse(bulk.stdout)).toMatchObject({ action: "redrive", filter: { status: "DEAD" } });
});

test("sends both values of a header that is given twice, and files with a byte order mark", async () => {
  const { token } = await newClient(stack);
  const sent = await command(
    stack,
    token,
    "send",
    `${target.url}/good`,
    "--header",
    "X-Tag: a",
    "--header",
    "x-tag: b",
    "--json",
  );
  expect(JSON.parse(sent.stdout).lambdaProxyMessage.multiValueHeaders).toEqual({ "x-tag": ["a", "b"] });
  const file = join(temporaryDir(), "jobs.json");
  writeFileSync(file, `\uFEFF[{ "url": "${target.url}/good" }]`);
  expect(await command(stack, token, "send", "--file", file)).toMatchObject({ status: 0, stderr: "" });
});

test("says by its exit status what went wrong", async () => {
  const { token } = await newClient(stack);
  const id = await scheduled(stack, token);
  expect(await command(stack, token, "wait", id, "--timeout", "1s")).toMatchObject({ status: 75 });
  expect(await command(stack, token, "redrive", id)).toMatchObject({
    status: 4,
    stderr: expect.stringContaining("DEAD or RETRYING"),
  });
  expect(await command(stack, token, "get", "0194fdc2-fa2f-7cc0-81d3-ff1211111111")).toMatchObject({
    status: 1,
    stderr: "No such job\n",
  });
  expect(await command(stack, "no token", "list")).toMatchObject({ status: 1 });
  expect(await command(stack, token, "list", "--url", "http://127.0.0.1:9")).toMatchObject({ status: 75 });
  for (const wrong of [
    ["gets"],
    ["get"],
    ["get", "a", "b"],
    ["list", "--color"],
    ["list", "--limit", "x"],
    ["schedules", "lists"],
    ["schedules", "get"],
    ["schedules", "patch", "nightly"],
    ["list", "--since", "yesterday"],
    ["send"],
    ["send", "https://a.example", "--delay", "soon"],
    ["wait"],
  ]) {
    const { status, stderr } = await command(stack, token, ...wrong);
    expect([wrong, status, stderr]).toEqual([wrong, 2, expect.stringMatching(/\S/)]);
  }
});

test("says of a wrong option what to do, and of a wrong time what it takes", async () => {
  expect((await command(stack, "", "list", "--color")).stderr).toBe(
    "Unknown option '--color'; unified-jobs list --help lists the options\n",
  );
  expect((await command(stack, "", "list", "--since", "yesterday")).stderr).toBe(
    '"yesterday" is no time: expected how long ago, such as 2h or 1d, or 2027-01-15T10:00:00Z\n',
  );
});

test.skipIf(!has("/v1/schedules/{key}"))("changes some of a schedule, and says why a job waits", async () => {
  const { token } = await newClient(stack);
  const job = '{"url": "https://shop.example/hook", "body": {"order": 1}}';
  await command(
    stack,
    token,
    "schedules",
    "put",
    "week",
    "--cron",
    "0 9 * * 1-5",
    "--timezone",
    "Europe/Berlin",
    "--job",
    job,
  );
  const { stdout } = await command(stack, token, "schedules", "patch", "week", "--cron", "0 10 * * 1-5", "--json");
  const changed = JSON.parse(stdout);
  expect(changed).toMatchObject({
    expression: "cron(0 10 ? * MON-FRI *)",
    timezone: "Europe/Berlin",
    job: JSON.parse(job),
  });
  const waits = expect.stringMatching(/^ {2}waits: Its next run is at 20/m);
  expect((await command(stack, token, "get", changed.id)).stdout).toEqual(waits);
  expect((await command(stack, token, "list", "--waiting")).stdout).toEqual(waits);
  expect((await command(stack, token, "list")).stdout).not.toEqual(waits);
});

test.skipIf(!has("/v1/send"))(
  "sends a job that is tried once where the answer is final, and waits for a redrive",
  async () => {
    target.answer((_, response) => void response.writeHead(500).end());
    const { token } = await newClient(stack);
    const sent = await command(
      stack,
      token,
      "send",
      target.url,
      "--final",
      "409,5xx",
      "--keep-response",
      "--wait",
      "--json",
    );
    expect(sent).toMatchObject({ status: 1, stdout: expect.stringContaining("FAILED") });
    answerByPath(target);
    const redriven = await command(stack, token, "redrive", "--status", "FAILED", "--wait", "--json");
    expect(JSON.parse(redriven.stdout)).toMatchObject({ action: "redrive", status: "SUCCEEDED", changed: 1 });
    const action = JSON.parse(redriven.stdout).id as string;
    expect((await command(stack, token, "watch", action)).stdout).toContain("1 jobs changed");
  },
);

test.skipIf(!has("/v1/send"))("says that the destination of redriven jobs is shut, and lets them go", async () => {
  target.answer((_, response) => void response.writeHead(410).end());
  const { token } = await newClient(stack);
  const id = await post(stack, token, { url: target.url, path: "/gone" });
  await command(stack, token, "wait", id);
  const redriven = await command(stack, token, "redrive", "--status", "DEAD", "--wait");
  expect(redriven.stdout).toContain(
    `changed 1\n  waits: ${target.url} is held; unified-jobs destinations resume ${target.url}\n`,
  );
  const { stdout } = await command(stack, token, "destinations");
  expect(stdout).toMatch(new RegExp(`^${target.url}  held  since 20\\S+  HTTP 410\n$`));
  answerByPath(target);
  expect((await command(stack, token, "destinations", "resume", target.url)).stdout).toBe(`${target.url}  closed\n`);
  const [action = ""] = redriven.stdout.split(" ");
  const shown = await stack.call("GET", `/v1/admin/bulk-actions/${action}`, { token });
  expect(shown.body.data.shutDestinations).toEqual([]);
});

test.skipIf(!has("/v1/send"))("limits a destination, and cancels, counts and sends jobs again", async () => {
  answerByPath(target);
  const { token } = await newClient(stack);
  const run = async (...argv: string[]) => (await command(stack, token, ...argv)).stdout;
  await run("destinations", "limit", "hooks.example.com", "--rate", "5", "--at-once", "2");
  expect(await run("destinations")).toBe("https://hooks.example.com  5 a second  2 at once\n");
  expect(await run("destinations", "unlimit", "hooks.example.com")).toBe("no destination has a limit\n");
  expect(await command(stack, token, "destinations", "limit", "hooks.example.com")).toMatchObject({ status: 2 });

  const [one, other] = [await scheduled(stack, token), await scheduled(stack, token)];
  expect(await run("cancel", one)).toContain(`${one}  CANCELLED`);
  expect(await run("cancel", "--status", "PENDING", "--dry-run")).toBe("1\n");
  expect(await run("cancel", "--status", "PENDING", "--wait")).toContain("changed 1");
  expect(await command(stack, token, "cancel", other)).toMatchObject({ status: 4 });

  const sent = await run("send", `${target.url}/fail`, "--retries", "0", "--key", "once", "--json");
  const again = await run("send", `${target.url}/fail`, "--retries", "0", "--key", "once");
  expect([JSON.parse(sent).isReplay, again]).toEqual([false, expect.stringContaining("\n  the key had this job")]);
  const resent = JSON.parse(await run("resend", JSON.parse(sent).id, "--to", `${target.url}/good`, "--json"));
  expect(await command(stack, token, "wait", resent.id)).toMatchObject({ status: 0 });
  expect(await run("counts")).toMatch(/^(?:no jobs|[A-Z]+ \d.*)\nwaiting: /);
});

test("has help for each command, and for all", async () => {
  const help = await command(stack, "", "--help");
  expect(help.status).toBe(0);
  const names = [...help.stdout.matchAll(/^ {2}unified-jobs ([a-z]+) /gm)].map(([, name = ""]) => name);
  const all = "send get list counts watch wait tail redrive resend cancel schedules groups destinations token";
  expect(names).toEqual(all.split(" "));
  for (const name of names) {
    const one = await command(stack, "", name, "--help");
    expect([one.status, one.stdout]).toEqual([0, expect.stringContaining(`unified-jobs ${name}`)]);
    expect(one.stdout).toContain("--json");
  }
});

test("makes tokens for the local stack, and shows what one says", async () => {
  const appId = "550e8400-e29b-41d4-a716-446655440000";
  const { stdout } = await command(stack, "", "token", "--app", appId, "--sub", "me");
  const token = stdout.trim();
  expect(await command(stack, token, "list")).toMatchObject({ status: 0 });
  const shown = await command(stack, token, "token", "--show", "--json");
  expect(JSON.parse(shown.stdout)).toMatchObject({ appId, sub: "me", roles: ["APP_ADMIN"] });
  expect((await command(stack, token, "token", "--show")).stdout).toContain("expires at 20");
  expect(await command(stack, "", "token", "--app", "mine")).toMatchObject({
    status: 2,
    stderr: '--app is "mine": expected a UUID\n',
  });
  expect(await command(stack, "nonsense", "token", "--show")).toMatchObject({ status: 2 });
});

test.skipIf(!has("/v1/send"))("it sends JSON with its numbers as they are written", async () => {
  answerByPath(target);
  const { token } = await newClient(stack);
  const body = '{"large":9223372036854775808}';
  const sent = await command(stack, token, "send", `${target.url}/large`, "--body", body, "--wait", "--json");
  expect(JSON.parse(sent.stdout)).toMatchObject({ status: "SUCCEEDED" });
  expect(target.received.find(({ url }) => url === "/large")?.body.toString()).toBe(body);
});

test.skipIf(!has("/v1/admin/jobs/count"))("it shows jobs as they change, and counts what it would change", async () => {
  answerByPath(target);
  const { token } = await newClient(stack);
  const tail = command(stack, token, "tail", "--for", "3s", "--json");
  const id = await post(stack, token, { url: target.url, path: "/fail" });
  const lines = linesOf((await tail).stdout).map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({ id, status: "DEAD" });
  const { stdout } = await command(stack, token, "redrive", "--status", "DEAD", "--dry-run");
  expect(stdout).toBe("1\n");
});
