import * as z from "../../zod.ts";
import packageJson from "../../../package.json" with { type: "json" };
import { SECOND, iso, type Clock } from "../../clock.ts";
import { stage } from "../../config.ts";
import { enveloped, time } from "../http/answers.ts";
import { appOf, isAppAdmin, isPlatformAdmin, type Caller } from "../http/auth.ts";
import { envelope, route, type Answer } from "../http/http.ts";
import { PERMISSIONS, VIEWS } from "../http/rights.ts";

// Who is asking, and whom: what a page or a client has to know before anything else.

const rights = z.strictObject({
  read: z.boolean().check(z.describe("All of the app: its jobs, settings, audit log.")),
  change: z.boolean().check(z.describe("The same, and create jobs of every kind.")),
  operate: z.boolean().check(z.describe("Every app, its limits, and the list of apps.")),
  permissions: z
    .array(z.string())
    .check(z.describe("For tasks and file jobs: those of the token, and those of its role.")),
});

const local = z
  .strictObject({
    speed: z.number().check(z.describe("How fast the service's clock runs: `SPEED`.")),
    offsetSeconds: z.int().check(z.describe("By how much it is ahead of real time.")),
    echoUrl: z.string().check(z.describe("A target for jobs.")),
    mailboxUrl: z.string().check(z.describe("The e-mails that jobs have sent.")),
  })
  .check(z.describe("Of the local stack; null elsewhere."));

const me = z
  .strictObject({
    sub: z.string(),
    appId: z.nullable(z.guid()).check(z.describe("The app of requests that name none; null if the token names none.")),
    appName: z.nullable(z.string()).check(z.describe("By its settings.")),
    roles: z.array(z.string()),
    permissions: z.array(z.string()),
    may: rights.check(z.describe("What the caller may do.")),
    expiresAt: time.check(z.describe("The end of the token, in real time.")),
    service: z.strictObject({ name: z.string(), version: z.string(), stage: z.string() }),
    local: z.nullable(local),
  })
  .register(z.globalRegistry, { id: "Me" });

export const getMe = route({
  key: "GET /v1/me",
  id: "getMe",
  summary: "Shows who the token says is asking, what it allows, and which service this is",
  answers: { 200: enveloped(me).check(z.describe("The caller.")) },
  // Any valid token is enough.
  access: () => {},

  async handle({ caller }, { apps, clock, rules }): Promise<Answer> {
    const { sub, roles, permissions, expiresAt = 0 } = caller;
    const appId = caller.appId ?? (isPlatformAdmin(caller) ? appOf(caller) : null);
    const shown = {
      sub,
      appId,
      appName: appId === null ? null : (await apps.settingsOf(appId)).name,
      roles,
      permissions,
      may: rightsOf(caller),
      expiresAt: iso(expiresAt),
      service: { name: packageJson.name, version: packageJson.version, stage: stage(process.env) },
      local: rules.localFunctionUrls === "" ? null : localOf(clock, rules.localFunctionUrls),
    };
    return { status: 200, body: envelope(shown) };
  },
});

/** This request only reads: to know what the caller may change, it is asked as if it did not. */
function rightsOf(caller: Caller): z.infer<typeof rights> {
  const [read, change] = [isAppAdmin(caller), isAppAdmin({ ...caller, isReading: false })];
  const ofRole = change ? PERMISSIONS : read ? VIEWS : [];
  const permissions = [...new Set([...ofRole, ...caller.permissions])];
  return { read, change, operate: isPlatformAdmin(caller), permissions };
}

function localOf(clock: Clock, url: string): z.infer<typeof local> {
  return {
    speed: clock.during(1),
    offsetSeconds: Math.round((clock.now() - clock.realNow()) / SECOND),
    echoUrl: new URL("/echo", url).href,
    mailboxUrl: new URL("/local/mailbox", url).href,
  };
}
