import { expect, test } from "vitest";
import { PROBE_EVERY, afterFailure, holding, type Circuit } from "../../lib/flow/circuit.ts";
import { MINUTE, SECOND } from "../../lib/clock.ts";

const START = 1_767_225_600_000;
const refused = { error: "could not connect to the target" };

/** A circuit after `times` failures, `apart` ms from each other. */
function failing(times: number, apart: number, from = START, circuit?: Circuit): Circuit | undefined {
  let failed = circuit;
  for (let n = 0; n < times; n += 1) failed = afterFailure(failed, refused, from + n * apart);
  return failed;
}

test("twenty failures in a row within ten minutes open it, nineteen do not", () => {
  expect(failing(19, SECOND)).toMatchObject({ state: "closed", since: START });
  const openedAt = START + 19 * SECOND;
  const open = { state: "open", since: openedAt, probeAt: openedAt + PROBE_EVERY, lastError: refused.error };
  expect(failing(20, SECOND)).toMatchObject(open);
  expect(failing(20, (10 * MINUTE) / 19)).toMatchObject({ state: "open" });
});

test("twenty failures in a longer time do not, until the last twenty are within ten minutes", () => {
  const slow = failing(40, (10 * MINUTE) / 18);
  expect(slow).toMatchObject({ state: "closed" });
  expect(slow?.failures).toHaveLength(20);
  expect(failing(19, SECOND, START + 400 * MINUTE, slow)).toMatchObject({ state: "closed" });
  expect(failing(20, SECOND, START + 400 * MINUTE, slow)).toMatchObject({ state: "open" });
});

test("a success that this process knows of makes the next failure the first", () => {
  const circuit = afterFailure(failing(19, SECOND), refused, START + MINUTE, START + 30 * SECOND);
  expect(circuit).toMatchObject({ state: "closed", failures: [START + MINUTE] });
});

test("a failed probe leaves it open since when it was", () => {
  const open = failing(20, SECOND);
  expect(failing(1, 0, START + 5 * MINUTE, open)).toMatchObject({ state: "open", since: open?.since });
});

test("a 410 holds it at once, whatever it was, and no later failure changes that", () => {
  const gone = { error: "HTTP 410", httpStatus: 410 };
  for (const circuit of [undefined, failing(3, SECOND), failing(20, SECOND)]) {
    const held = afterFailure(circuit, gone, START + MINUTE);
    expect(held).toMatchObject({ state: "held", since: START + MINUTE, lastError: "HTTP 410" });
    expect(failing(30, SECOND, START + 2 * MINUTE, held)).toMatchObject({ state: "held", since: START + MINUTE });
  }
});

test("a person's hold keeps what is known of the failures, has no probe, and no failure changes it", () => {
  expect(holding(undefined, START)).toEqual({ state: "held", since: START, failures: [] });
  const open = failing(20, SECOND);
  const held = holding(open, START + MINUTE);
  expect(held).toEqual({ state: "held", since: START + MINUTE, failures: open?.failures, lastError: refused.error });
  expect(holding(held, START + 2 * MINUTE)).toBe(held);
  expect(failing(30, SECOND, START + 2 * MINUTE, held)).toBe(held);
});
