import * as z from "../../zod.ts";
import { iso } from "../../clock.ts";
import { ClientError } from "../../errors.ts";
import { enveloped, time } from "../http/answers.ts";
import { envelope } from "../http/http.ts";
import { appRoute, ok } from "./app-route.ts";

// The signing secrets of an app: a new one, and the end of one.

const secretMade = enveloped(z.strictObject({ id: z.guid(), secret: z.string(), createdAt: time }));

const about = {
  rotate: {
    id: "rotateSigningSecret",
    summary: "Makes a new signing secret; those before sign for 24 more hours",
    answers: { 201: secretMade.check(z.describe("The secret, which can't be read again.")) },
    refusals: ["CONFLICT"],
  },
  delete: {
    id: "deleteSigningSecret",
    summary: "Takes a signing secret back at once",
    answers: { 200: enveloped(z.strictObject({ id: z.string() })).check(z.describe("It signs no more.")) },
  },
} as const;

export const rotateSecret = appRoute(
  "POST",
  "/signing-secrets",
  about.rotate,
  async ({ appId, caller }, { secrets }) => {
    const { id, secret, createdAt } = await secrets.rotate(appId, caller.sub);
    return { status: 201, body: envelope({ id, secret, createdAt: iso(createdAt) }) };
  },
);

export const deleteSecret = appRoute("DELETE", "/signing-secrets/{id}", about.delete, async (asked, { secrets }) => {
  const id = asked.path["id"] ?? "";
  if (!(await secrets.remove(asked.appId, id, asked.caller.sub))) throw new ClientError("NOT_FOUND", "No such secret");
  return ok({ id });
});
