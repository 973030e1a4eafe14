import * as z from "../../zod.ts";
import { ClientError } from "../../errors.ts";
import { isPlatformAdmin, type Caller } from "../http/auth.ts";

/** The caller's own app, or any app for a platform administrator. NOT_FOUND for all others. */
export function appInPath(named: string | undefined, caller: Caller): string {
  const appId = z.guid().check(z.toLowerCase()).safeParse(named);
  if (appId.success && (appId.data === caller.appId || isPlatformAdmin(caller))) return appId.data;
  throw new ClientError("NOT_FOUND", "No such app");
}
