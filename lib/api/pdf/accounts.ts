import * as z from "../../zod.ts";
import { refuseTarget, wholeUrl } from "../../outbound/target-url.ts";
import { ClientError, badRequest } from "../../errors.ts";
import { maskedAddress } from "../../job/masking.ts";
import type { ServiceParts } from "../../parts.ts";
import { appOf, mayCreateJobs, ownerOf, requireApp, type Caller } from "../http/auth.ts";
import { route, type Answer } from "../http/http.ts";

// The settings of a user: the webhook for the ends of long PDF jobs.

const account = z
  .strictObject({ webhook_url: z.nullable(wholeUrl).check(z.describe("Null: nowhere.")) })
  .register(z.globalRegistry, { id: "AccountWebhook" });

const shown = z.strictObject({ webhook_url: z.nullable(z.string()) });

export const getWebhook = route({
  key: "GET /accounts/me/webhook",
  id: "getAccountWebhook",
  summary: "Shows where the caller's long PDF jobs tell their end",
  answers: { 200: shown.check(z.describe("The URL, or null.")) },
  access: requireApp,

  async handle({ caller }, { apps }): Promise<Answer> {
    const { appId, userId } = ownerOf(caller);
    return { status: 200, body: { webhook_url: await apps.webhookOf(appId, userId) } };
  },
});

export const putWebhook = route({
  key: "PUT /accounts/me/webhook",
  id: "putAccountWebhook",
  summary: "Says where the caller's long PDF jobs are to tell their end, from the next one on",
  answers: { 200: shown.check(z.describe("The URL, or null.")) },
  access: requireApp,
  body: account,

  async handle({ body, caller }, service): Promise<Answer> {
    const { appId, userId } = ownerOf(caller);
    const { webhook_url: webhookUrl } = body;
    if (webhookUrl !== null) await refuseWebhook(webhookUrl, caller, service);
    const before = await service.apps.setWebhook(appId, userId, webhookUrl);
    const [from, to] = [before, webhookUrl].map((url) => (url === null ? null : maskedAddress(url)));
    await service.audit.record(appId, {
      by: userId,
      action: "webhook.changed",
      object: `webhook:${userId}`,
      changes: [{ field: userId, from, to }],
    });
    return { status: 200, body: { webhook_url: webhookUrl } };
  },
});

/**
 * Throws BAD_REQUEST for a webhook that the app's jobs may not call, or without TLS, which would expose the link, and
 * FORBIDDEN where the app's `userWebhooks` are for others.
 */
export async function refuseWebhook(
  webhookUrl: string,
  caller: Caller,
  { apps, rules }: Pick<ServiceParts, "apps" | "rules">,
): Promise<void> {
  const settings = await apps.settingsOf(appOf(caller));
  if (settings.userWebhooks === "permission" && !mayCreateJobs(caller)) {
    const message =
      "Access denied: by the app's userWebhooks, a webhook needs permission jobs.create_jobs or job:Create; set it to null, and ask GET /jobs/{job_id}";
    throw new ClientError("FORBIDDEN", message);
  }
  const url = new URL(webhookUrl);
  const problems = await refuseTarget("webhook_url", url, { ...rules, ...settings });
  const isClear = url.protocol !== "https:" && !rules.allowPrivateTargets;
  if (isClear && problems.length === 0) problems.push({ field: "webhook_url", message: "must be https" });
  if (problems.length > 0) throw badRequest(problems);
}

/** Throws TOO_MANY_REQUESTS for more webhooks than a user may have in a minute. Others may create any number of jobs. */
export async function admitWebhook(caller: Caller, { apps }: Pick<ServiceParts, "apps">): Promise<void> {
  if (!mayCreateJobs(caller)) await apps.admitWebhook(appOf(caller), caller.sub);
}
