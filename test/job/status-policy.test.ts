import { expect, test } from "vitest";
import { NO_POLICY } from "../../lib/job/backoff.ts";
import { WRONG_REQUEST, isFinal, withDefaults } from "../../lib/job/status-policy.ts";

test("a status counts before its class, and what is tried again before what is final", () => {
  const cases = [
    [404, { final: ["4xx"] }, true],
    [404, { final: ["4xx"], retryOn: [404] }, false],
    [404, { final: [404], retryOn: ["4xx"] }, true],
    [404, { final: [404], retryOn: [404] }, false],
    [404, { final: ["4xx"], retryOn: ["4xx"] }, false],
    [302, { final: ["3xx"] }, true],
    [500, { final: ["4xx"] }, false],
    [500, {}, false],
  ] as const;
  for (const [status, policy, expected] of cases) expect(isFinal(status, false, policy)).toBe(expected);
});

test("a receiver's word is final whatever the sender says, and a 410 is its destination's", () => {
  expect(isFinal(500, true, { retryOn: [500] })).toBe(true);
  expect(isFinal(489, false, undefined)).toBe(true);
  expect(isFinal(410, true, { final: [410] })).toBe(false);
});

test("what a job says stands before its app's default, and that before the endpoint's", () => {
  const policy = (...all: Parameters<typeof withDefaults>) => withDefaults(...all);
  expect(policy(undefined, [])).toBeUndefined();
  expect(policy({ ...NO_POLICY, jitter: 1 }, [])).toEqual({ ...NO_POLICY, jitter: 1 });
  expect(policy(undefined, [WRONG_REQUEST])).toEqual({ ...NO_POLICY, ...WRONG_REQUEST });
  const app = { retryOn: [400], final: ["5xx"] } as const;
  const joined = policy({ ...NO_POLICY, retryOn: ["4xx"] }, [app, WRONG_REQUEST]);
  expect(joined).toEqual({ ...NO_POLICY, retryOn: ["4xx"], final: ["5xx"] });
  const healed = policy(undefined, [app, WRONG_REQUEST]);
  expect(isFinal(400, false, healed)).toBe(false);
  expect(isFinal(422, false, healed)).toBe(true);
  expect(isFinal(503, false, healed)).toBe(true);
});
