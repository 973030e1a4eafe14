import { afterAll, beforeAll, expect, test } from "vitest";
import { startBrowser, type Driven, type Seen } from "../support/browser.ts";
import { builtDashboard } from "../support/dashboard.ts";
import { AUDIENCE, CLIENT_ID, startProvider, type Provider, type Trouble } from "../support/oidc-provider.ts";
import { endStacks, startStack, type Stack } from "../support/stack.ts";

// Signing in to the dashboard at the issuer of the tokens, by OIDC's authorization code with PKCE.

const APP = "7d0f4b52-6f0e-4a5e-9a53-1f2a6b1f0e01";

let provider: Provider;
let stack: Stack;
let driven: Driven;

beforeAll(async () => {
  builtDashboard();
  provider = await startProvider({ sub: "ada", appId: APP, roles: ["APP_ADMIN"] });
  const { issuer } = provider;
  const tokens = { JWKS_URL: `${issuer}/keys`, JWT_ISSUER: issuer, JWT_AUDIENCE: AUDIENCE };
  const env = { ROLE: "gateway", ...tokens, OIDC_CLIENT_ID: CLIENT_ID };
  [stack, driven] = await Promise.all([startStack({ env }), startBrowser()]);
});
afterAll(async () => {
  await Promise.all([driven?.close(), provider?.close()]);
  await endStacks();
});

const DEEP = "/dashboard/jobs?q=status%3Adead";

async function signIn(trouble: Trouble = {}): Promise<Seen> {
  provider.next(trouble);
  const seen = await driven.open(stack.url + DEEP);
  await seen.page.getByRole("button", { name: `Sign in with ${new URL(provider.issuer).host}` }).click();
  return seen;
}

test("who signs in at the issuer comes back to the page that was asked for, with no code in its address", async () => {
  const { page, problems } = await signIn();
  await page.getByText("No job fits").waitFor();
  expect(page.url()).toBe(stack.url + DEEP);
  expect(await page.evaluate("JSON.stringify(Object.keys(sessionStorage))")).toBe('["token"]');
  // The local stack can't make tokens of this issuer, so it offers none.
  const offered = (await (await fetch(`${stack.url}/dashboard/sign-in.json`)).json()) as { local: boolean };
  expect(offered.local).toBe(false);
  expect(problems).toEqual([]);
  await page.context().close();
});

test.each<[string, Trouble, string]>([
  ["a refusal is told in the issuer's words", { refusal: "Ada said no" }, "The issuer refused: Ada said no"],
  ["a code for another sign-in is not used", { state: "of-another-sign-in" }, "belongs to another sign-in"],
  ["an answer of another issuer is not used", { iss: "https://evil.example" }, "belongs to another sign-in"],
  ["a code without its verifier is worth nothing", { challenge: "A".repeat(43) }, "gave no token: invalid_grant"],
  ["a token that is no JWT is told from one that is", { isOpaque: true }, "The issuer's access token is no JWT"],
])("%s", async (_, trouble, told) => {
  const before = provider.exchanged.length;
  const { page } = await signIn(trouble);
  await page.getByRole("alert").getByText(told).waitFor();
  expect(page.url()).toBe(stack.url + DEEP);
  expect(await page.evaluate("JSON.stringify(sessionStorage)")).toBe("{}");
  const isExchanged = trouble.challenge !== undefined || trouble.isOpaque === true;
  expect(provider.exchanged.length - before).toBe(isExchanged ? 1 : 0);
  await page.context().close();
});

test("a code that this tab has not asked for is not used", async () => {
  const before = provider.exchanged.length;
  const { page } = await driven.open(`${stack.url}/dashboard?code=stolen&state=guessed`);
  await page.getByRole("alert").getByText("belongs to another sign-in").waitFor();
  expect([page.url(), provider.exchanged.length]).toEqual([`${stack.url}/dashboard`, before]);
  await page.context().close();
});

test("an expired token is asked for again over the page, and one comes back to it", async () => {
  const { page } = await signIn({ claims: { exp: Math.floor(Date.now() / 1_000) - 3_600 } });
  const dialog = page.getByRole("dialog", { name: "Sign in again" });
  await dialog.getByRole("button", { name: /^Sign in with 127/ }).click();
  await page.getByText("No job fits").waitFor();
  expect(page.url()).toBe(stack.url + DEEP);
  await page.context().close();
});

test("the page may ask this service and its issuer, and nobody else", async () => {
  const { page } = await driven.open(`${stack.url}/dashboard`);
  const policy = (await fetch(`${stack.url}/dashboard`)).headers.get("content-security-policy") ?? "";
  expect(/connect-src ([^;]*)/.exec(policy)?.[1]).toBe(`'self' ${provider.issuer}`);
  const other = await startProvider({});
  const asked = `fetch("${other.issuer}/keys", { mode: "no-cors" }).then(() => "answered", () => "refused")`;
  expect(await page.evaluate(asked)).toBe("refused");
  await Promise.all([other.close(), page.context().close()]);
});
