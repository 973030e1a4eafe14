import type { ServiceParts } from "../../parts.ts";
import { requireRole, type Caller } from "../http/auth.ts";
import { envelope, route, type Answer, type Route } from "../http/http.ts";
import { appInPath } from "./app-path.ts";

/** A request about an app, by one of its administrators or the operator. */
export interface Asked<Body, Query = unknown> {
  readonly appId: string;
  readonly caller: Caller;
  readonly body: Body;
  readonly query: Query;
  readonly path: Readonly<Record<string, string | undefined>>;
}

type Definition<Body, Query> = Omit<Route<Body, Query>, "key" | "access" | "handle">;

/** A route below an app, for its administrators. */
export function appRoute<Body, Query = unknown>(
  method: string,
  below: string,
  definition: Definition<Body, Query>,
  act: (asked: Asked<Body, Query>, service: ServiceParts) => Promise<Answer>,
) {
  return route<Body, Query>({
    key: `${method} /v1/admin/apps/{appId}${below}`,
    access: (caller) => requireRole(caller, "APP_ADMIN"),
    ...definition,
    handle: async ({ path, caller, body, query }, service) =>
      act({ appId: appInPath(path["appId"], caller), caller, body, query, path }, service),
  });
}

export function ok(data: unknown): Answer {
  return { status: 200, body: envelope(data) };
}
