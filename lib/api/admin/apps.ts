import type { AppSettings } from "../../store/app-settings.ts";
import { parse } from "../http/body.ts";
import { PATCH_TYPES, mergePatch } from "../http/merge-patch.ts";
import { appRoute, ok } from "./app-route.ts";
import { appView, changeSettings, shownSettings } from "./change-settings.ts";
import { appShown, patchBody, putBody, settings } from "./settings-body.ts";

// The settings of an app, for its administrators.

/** The texts of the API document for the routes below. */
const about = {
  get: { id: "getApp", summary: "Shows an app's settings", answers: { 200: appShown } },
  put: {
    id: "putApp",
    summary: "Replaces an app's settings; what is left out gets its default",
    answers: { 200: appShown },
    refusals: ["CONFLICT"],
    body: putBody,
    examples: () => ({
      "what an answer showed, with another name": { version: 0, name: "Shop", requestsPerSecond: 200 },
    }),
  },
  patch: {
    id: "patchApp",
    summary: "Changes some of an app's settings and leaves the others as they are",
    answers: { 200: appShown },
    refusals: ["CONFLICT"],
    body: patchBody,
    bodyTypes: PATCH_TYPES,
    examples: () => ({
      "a pause": { paused: true },
      "one more header of the callback": {
        onComplete: { url: "https://shop.example/ended", headers: { "x-team": "a" } },
      },
    }),
  },
} as const;

export const getApp = appRoute("GET", "", about.get, async ({ appId }, { apps, secrets }) => {
  return ok(await appView(appId, await apps.both(appId), secrets));
});

/** Replaces all settings; absent fields get their defaults. */
export const putApp = appRoute("PUT", "", about.put, async ({ appId, caller: { sub }, body }, service) => {
  const { version, ...wanted } = body;
  return ok(await changeSettings({ appId, sub, version, wanted: () => wanted }, service));
});

/** A patch of what `GET` shows, so that a masked credential is kept, or refused where it would go elsewhere. */
export const patchApp = appRoute("PATCH", "", about.patch, async ({ appId, caller: { sub }, body }, service) => {
  const { version, appId: _, limits: __, inForce: ___, signingSecrets: ____, ...patch } = body;
  const change = {
    appId,
    sub,
    version,
    wanted: (before: Parameters<typeof shownSettings>[0]): AppSettings => {
      const { version: _, ...shown } = shownSettings(before);
      return parse(settings, mergePatch(shown, patch), "body");
    },
  };
  return ok(await changeSettings(change, service));
});
