import { iso } from "../clock.ts";
import { route } from "./http.ts";

export const health = route({
  key: "GET /health",
  handle: async (_request, { clock }) => ({ status: 200, body: { status: "ok", now: iso(clock.now()) } }),
});
