import { createJobBody } from "../../lib/api/unified/job-request.ts";
import { acceptJob } from "../../lib/api/unified/accept-job.ts";
import type { Route } from "../../lib/api/http/http.ts";
import { createGroup, sealGroup } from "../../lib/api/unified/groups.ts";
import { SECOND } from "../../lib/clock.ts";
import { ClientError } from "../../lib/errors.ts";
import type { Action, GroupAction } from "./action.ts";
import { callerOf, serviceIn, type ClientParts } from "./client-parts.ts";
import type { Container } from "./process.ts";
import { APPS } from "./requests.ts";

// Clients that make groups. They repeat each request with its key until it is answered, so that they know the number of
// the members.

export async function group(parts: ClientParts, action: Action & GroupAction): Promise<void> {
  const { app, body, members, seal, n } = action;
  const appId = APPS[app] ?? "";
  const made = await asked(parts, appId, createGroup, { body: createGroup.body?.parse(body) });
  if (!made) return;
  const { id } = made as { id: string };
  parts.posted.set(n, id);
  const { groups } = parts.invariants;
  if (seal === "by its last member") groups.expects(id, (body as { expected: number }).expected, members.length);
  let isSealed = false;
  const ids = new Set<string>();
  const posting = members.flatMap((member) =>
    Array.from({ length: member.times }, async () => {
      await parts.time.pass(member.after);
      const sentAfterSeal = isSealed;
      const answered = await posted(parts, appId, id, member.body);
      parts.trace(`client is answered ${answered?.status} of group ${id}`);
      if (!answered?.job) return;
      parts.posted.set(member.n, answered.job.id);
      ids.add(answered.job.id);
      groups.accepted(id, answered.job.id, answered.status === 201 && sentAfterSeal);
    }),
  );
  if (seal === "with a number") await Promise.all(posting);
  // A seal without a number comes while the last members are on their way.
  else await parts.time.pass(Math.max(0, ...members.map(({ after }) => after)) / 2);
  if (seal === "with a number" || seal === "counted") {
    const number = seal === "with a number" ? { expected: ids.size } : {};
    const sealed = await asked(parts, appId, sealGroup, { path: { id }, body: number });
    isSealed = sealed !== undefined;
    if (isSealed) groups.isSealed(id);
    parts.trace(`client is told that group ${id} is ${isSealed ? "sealed" : "not to be sealed"}`);
  }
  await Promise.all(posting);
  if (!isSealed) return;
  const late = members[0];
  if (late) await postLate(parts, appId, id, late.body);
}

/** One more, which must be refused. */
async function postLate(parts: ClientParts, appId: string, id: string, body: object): Promise<void> {
  const { message } = body as { message: { metadata: object } };
  const metadata = { ...message.metadata, idempotencyKey: `late-${id}` };
  const answered = await posted(parts, appId, id, { ...body, message: { ...message, metadata } });
  if (answered?.job) parts.invariants.groups.accepted(id, answered.job.id, true);
}

/** Undefined if the member is refused. */
async function posted(parts: ClientParts, appId: string, groupId: string, from: object) {
  const { message, ...rest } = from as { message: { metadata: object } };
  const body = createJobBody.parse({
    ...rest,
    message: { ...message, metadata: { ...message.metadata, group: groupId } },
  });
  const key = body.message.metadata.idempotencyKey;
  return untilAnswered(parts, async (container) => {
    const answered = await acceptJob(body, callerOf(parts, appId), {}, serviceIn(container));
    parts.invariants.accepted({ appId, body, key, ...answered });
    return answered;
  });
}

/** The data of an endpoint's answer; undefined if it refuses. */
async function asked(parts: ClientParts, appId: string, route: Route, request: object): Promise<unknown> {
  const whole = { path: {}, query: {}, body: undefined, headers: {}, caller: callerOf(parts, appId), ...request };
  return untilAnswered(parts, async (container) => {
    const { body } = await route.handle(whole, serviceIn(container));
    return (body as { data: unknown }).data;
  });
}

async function untilAnswered<T>(parts: ClientParts, ask: (container: Container) => Promise<T>): Promise<T | undefined> {
  for (;;) {
    const answered = await parts.invoke("api", async (container) => {
      return ask(container).then(
        (value) => ({ value }),
        (error: unknown) => {
          if (error instanceof ClientError) return { value: undefined };
          throw error;
        },
      );
    });
    if (answered) return answered.value;
    await parts.time.pass(parts.random.between(1, 10) * SECOND);
  }
}
