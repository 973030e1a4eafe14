import { execFile } from "node:child_process";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { go, inPage, onDashboard } from "../../support/dashboard.ts";
import type { Received } from "../../support/target.ts";
import { jobIn, newApp, until } from "../../support/stack.ts";

// Text that means harm: it is shown as text, wherever it comes from, and copied as it is.

const at = onDashboard();

const BIDI = "\u202e\u2066\u200b";
const EVIL = `"><img src=x onerror="window.owned=1"><script>window.owned=2</script>javascript:window.owned=3${BIDI}`;
const LARGE = "9223372036854775808";

/** What is wrong with a page: what ran, what became an element or a link, and characters that turn what is read. */
async function harmOn(page: Page): Promise<string[]> {
  return inPage(
    page,
    `(() => {
      const hidden = /(?![\\n\\t])\\p{Cc}|\\p{Cf}|[\\u2028\\u2029]/u;
      const out = window.owned ? ["it ran"] : [];
      for (const each of document.querySelectorAll("main img, main script, main iframe, main object, body style, [onerror], [onclick]"))
        out.push(each.outerHTML.slice(0, 200));
      for (const each of document.querySelectorAll("[href], [src], [action]"))
        if (/^\\s*(?:javascript|data|vbscript):/i.test(each.getAttribute("href") ?? each.getAttribute("src") ?? "") && each.rel !== "icon")
          out.push(each.outerHTML.slice(0, 200));
      const all = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
      while (all.nextNode()) if (hidden.test(all.currentNode.data)) out.push("text: " + JSON.stringify(all.currentNode.data.slice(0, 200)));
      for (const each of document.querySelectorAll("*"))
        for (const { name, value } of each.attributes)
          if (hidden.test(value)) out.push(name + ": " + JSON.stringify(value.slice(0, 200)));
      if (hidden.test(document.title)) out.push("title");
      return out;
    })()`,
  );
}

test(
  "hostile text of jobs, answers, settings, schedules and people is text on every page",
  { timeout: 300_000 },
  async () => {
    const { appId, token } = await newApp({ sub: EVIL.slice(0, 200) });
    at.target.answer(({ url }, response) => {
      response.setHeader("x-evil", "<script>window.owned=4</script>");
      response.writeHead(url.includes("fails") ? 422 : 200, { "content-type": "text/html" }).end(EVIL);
    });
    const nested = { [EVIL]: [EVIL, { n: "NUMBER", deep: EVIL }], control: "\u0000\u0007\u001b[31m" };
    const body = JSON.stringify(nested).replace('"NUMBER"', LARGE);
    const raw = async (job: string) => {
      const { status, body: answer } = await at.stack.call("POST", "/v1/send", { token, body: job });
      expect([status, answer.error]).toEqual([201, undefined]);
      return answer.data.id as string;
    };
    const url = `${at.target.url}/fails/%3Cscript%3E?q=javascript:alert(1)`;
    const failed = await raw(
      `{"url":${JSON.stringify(url)},"body":${body},"key":${JSON.stringify(`k ${EVIL.replace(BIDI, "")}`)},"labels":[${JSON.stringify(EVIL.slice(0, 60))}],"order":${JSON.stringify(`o ${EVIL}`)},"headers":{"x-evil":"<b>\u00ad\u0085</b>"}}`,
    );
    await jobIn(at.stack, token, failed, "FAILED");
    const task = (
      await at.ask(token, "POST", "/v1/send", { task: "example", payload: { words: [EVIL] }, delaySeconds: 3_600 })
    ).id;
    await at.ask(token, "PATCH", `/v1/admin/apps/${appId}`, { name: EVIL.slice(0, 90) });
    await at.ask(token, "PUT", "/v1/schedules/evil", {
      expression: "0 9 * * *",
      job: { url: `${at.target.url}/x`, body: nested },
    });
    await at.ask(token, "POST", "/v1/schedules/evil/pause", { reason: EVIL.slice(0, 100) });
    const { id: bulk } = await at.ask(token, "POST", "/v1/admin/jobs/redrive", { errorContains: EVIL.slice(0, 100) });
    const schedule = (await at.ask(token, "GET", "/v1/schedules/evil")).id;

    const page = await at.open(`/jobs/${failed}`, token);
    const pages = [
      "",
      "/jobs",
      `/jobs?q=${encodeURIComponent(`error:"${EVIL}"`)}`,
      `/jobs/${task}`,
      `/jobs/${schedule}`,
    ];
    const others = [`/bulk/${bulk}`, `/new?from=${failed}`, "/local/echo", "/local/mail"];
    const ofApp = ["/schedules", "/destinations", "/bulk", "/app/settings", "/app/secrets", "/app/usage", "/app/audit"];
    for (const path of [`/jobs/${failed}`, ...pages, ...ofApp, ...others]) {
      await go(page, path);
      for (const tab of await page.getByRole("tab").all()) {
        await tab.click();
        expect([path, await harmOn(page)]).toEqual([path, []]);
      }
      // At once: a page that comes later may take the place of one that is still shown.
      await inPage(page, `document.querySelectorAll("summary").forEach((summary) => summary.click())`);
      expect([path, await harmOn(page)]).toEqual([path, []]);
    }
    await go(page, `/jobs/${failed}?tab=request`);
    const shown = await page.getByLabel("Body").textContent();
    // To the last digit, which a JavaScript number would change.
    expect(shown).toContain(LARGE);
    expect(shown).toContain("\\u202e");
    await page.getByRole("tab", { name: "Response" }).click();
    expect(await page.getByLabel("Response").textContent()).toContain("<script>window.owned=2</script>");
  },
);

test.each([
  ["nearly 4 MB of JSON", () => JSON.stringify(Array.from({ length: 38_000 }, () => "x".repeat(98))), 3_700],
  ["as much of numbers", () => JSON.stringify(Array.from({ length: 120_000 }, (_, n) => ({ id: n, ok: true }))), 2_700],
  ["one long string", () => JSON.stringify(['"'.repeat(100_000) + "x".repeat(3_200_000)]), 3_300],
  ["brackets within brackets", () => "[".repeat(20_000) + "]".repeat(20_000), 38],
  ["characters that are not seen", () => "\u0001\u202e".repeat(150_000), 280],
])("a body of %s opens at once, in part, and whole when asked for", async (_, make, kilobytes) => {
  const { token } = await newApp();
  const [id = ""] = await at.send(token, { url: `${at.target.url}/large`, body: make() });
  await jobIn(at.stack, token, id, "SUCCEEDED");
  const page = await at.open(`/jobs/${id}`, token);
  await page.getByRole("tab", { name: "Request" }).waitFor();
  await inPage(
    page,
    `(async () => {
      [...document.querySelectorAll("[role=tab]")].find((tab) => tab.textContent === "Request").click();
      while (!document.querySelector('[aria-label="Body"]')) await new Promise((next) => setTimeout(next, 5));
      document.body.getBoundingClientRect();
    })()`,
  );
  const body = page.getByLabel("Body", { exact: true });
  expect((await body.textContent())?.length).toBeLessThanOrEqual(6 * 64 * 1_024);
  const elements = await inPage<number>(page, "document.querySelectorAll('*').length");
  expect(elements).toBeLessThan(500);
  const all = page.getByRole("button", { name: /^Show all/ });
  expect(Number(/[\d,]+/.exec((await all.textContent()) ?? "")?.[0].replace(",", ""))).toBeGreaterThan(kilobytes);
  await all.click();
  await expect.poll(async () => (await body.textContent())?.length ?? 0).toBeGreaterThan(kilobytes * 1_000);
  const length = (await body.textContent())?.length ?? 0;
  // Pieces, of which the browser lays out those that are seen.
  const more = (await inPage<number>(page, "document.querySelectorAll('*').length")) - elements;
  expect(more).toBeLessThanOrEqual(length / 4_096);
});

test("of a body of megabytes the page asks for the beginning; what is copied is all of it", async () => {
  const { token } = await newApp();
  const body = JSON.stringify(Array.from({ length: 30_000 }, (_, n) => `${n}${"x".repeat(98)}`));
  const [id = ""] = await at.send(token, { url: `${at.target.url}/large`, body });
  await jobIn(at.stack, token, id, "SUCCEEDED");
  const page = await at.open(`/jobs/${id}`, token, {
    settings: { permissions: ["clipboard-read", "clipboard-write"] },
  });
  await page.getByRole("tab", { name: "Request" }).click();
  await page.getByLabel("Body", { exact: true }).waitFor();
  const sizes = `performance.getEntriesByType("resource").filter(({ name }) => name.includes("jobs/${id}")).map((each) => each.decodedBodySize)`;
  const answered = await inPage<number[]>(page, sizes);
  expect(answered.length).toBeGreaterThan(0);
  expect(answered.filter((bytes) => bytes > 100_000)).toEqual([]);
  await page.getByRole("tabpanel").getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied body").waitFor();
  expect(await inPage<string>(page, "navigator.clipboard.readText()")).toBe(body);
  await page.getByText("Message", { exact: true }).click();
  await expect.poll(async () => page.getByLabel("Message").textContent()).toContain('"lambdaProxyMessage"');
  await page.getByRole("tab", { name: "curl" }).click();
  await page.getByRole("tabpanel").getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied curl").waitFor();
  expect((await inPage<string>(page, "navigator.clipboard.readText()")).length).toBeGreaterThan(body.length);
});

test("a body that was asked for whole is not shown as that of the next job", async () => {
  const { token } = await newApp();
  const of = async (letter: string) => {
    const [id = ""] = await at.send(token, { url: `${at.target.url}/large`, body: letter.repeat(200_000) });
    await jobIn(at.stack, token, id, "SUCCEEDED");
    return id;
  };
  const [first, second] = [await of("a"), await of("b")];
  const page = await at.open(`/jobs/${second}?tab=request`, token);
  const shown = page.getByLabel("Body", { exact: true });
  await expect.poll(async () => shown.textContent()).toMatch(/^b/);
  await go(page, `/jobs/${first}?tab=request`);
  await expect.poll(async () => shown.textContent()).toMatch(/^a/);
  await page.getByRole("button", { name: /^Show all/ }).click();
  await expect.poll(async () => (await shown.textContent())?.length).toBe(200_000);
  await go(page, `/jobs/${second}?tab=request`);
  await expect.poll(async () => shown.textContent()).toMatch(/^b/);
});

interface Sent {
  readonly name: string;
  readonly job: object;
}

const SENT: readonly Sent[] = [
  {
    name: "JSON",
    job: { body: { order: "it's \"5 $HOME `id` \\ !! 100 %" }, headers: { "x-order": "it's", "x-list": ["a", "b"] } },
  },
  { name: "text that a shell would read", job: { body: "$(id) `id` 'a' \"b\" \\n\nnext line\r\n!!", method: "PUT" } },
  {
    name: "a body that looks like a file's name",
    job: { body: "@/etc/hostname", headers: { "content-type": "text/plain" } },
  },
  { name: "control characters", job: { body: `a\u0000b\u001b[31m${BIDI}\u2028é€😀` } },
  { name: "bytes", job: { bodyBase64: Buffer.from([0, 1, 2, 255, 254, 10, 13, 39]).toString("base64") } },
  { name: "no body", job: { method: "GET" } },
  { name: "HEAD", job: { method: "HEAD" } },
  { name: "a body longer than an argument may be", job: { body: `'${"x".repeat(300_000)}'` } },
  {
    name: "headers that are not ASCII, or empty",
    job: { body: { a: 1 }, headers: { "x-name": "Jos\u00e9\t\u00ad'\u00ff", "x-empty": "" } },
  },
  { name: "a credential", job: { body: { a: 1 }, headers: { "x-api-key": "kept-secret" } } },
];

async function run(shell: string, command: string): Promise<void> {
  const env = { PATH: process.env["PATH"] ?? "", TOKEN: "kept-secret" };
  // As a script, so that no argument of this program's is too long.
  const child = execFile(shell, ["-s"], { env, timeout: 60_000 });
  child.stdin?.end(`${command} --silent --show-error --noproxy '*'\n`);
  let said = "";
  child.stderr?.on("data", (text) => (said += String(text)));
  const code = await new Promise<number | null>((ended) => void child.on("close", ended));
  if (code !== 0) throw new Error(`${shell} ended with ${code}: ${said}`);
}

/** What the job's own request is, without what each sender adds. */
function essence({ method, url, headers, body }: Received) {
  const own = Object.entries(headers).filter(([name]) => name === "content-type" || name.startsWith("x-"));
  return {
    method,
    url,
    body: body.toString("hex").slice(0, 2_000),
    bytes: body.length,
    headers: Object.fromEntries(own.filter(([name]) => !name.startsWith("x-job"))),
  };
}

test("the copied curl, run by a shell, sends what the job has sent, byte for byte", { timeout: 300_000 }, async () => {
  const { token } = await newApp();
  const settings = { permissions: ["clipboard-read", "clipboard-write"] };
  const page = await at.open("/jobs", token, { settings });
  for (const [n, { name, job }] of SENT.entries()) {
    const path = `/p${n}/it's?ids[]=1&x={a,b}&y=%00&plus=a+b`;
    const [id = ""] = await at.send(token, { url: at.target.url + path, ...job });
    await jobIn(at.stack, token, id, "SUCCEEDED");
    const [original] = await until(() => found(`/p${n}/`, 1));
    await go(page, `/jobs/${id}?tab=curl`);
    await page.getByRole("tabpanel").getByRole("button", { name: "Copy" }).click();
    const command = await inPage<string>(page, "navigator.clipboard.readText()");
    expect(command).not.toContain("kept-secret");
    for (const [at, shell] of ["bash", "dash"].entries()) {
      await run(shell, command);
      const again = await until(() => found(`/p${n}/`, at + 2));
      expect([name, shell, essence(again.at(-1) as Received)]).toEqual([name, shell, essence(original as Received)]);
    }
  }
});

function found(prefix: string, count: number): Received[] | undefined {
  const all = at.target.received.filter(({ url }) => url.startsWith(prefix));
  return all.length >= count ? all : undefined;
}
