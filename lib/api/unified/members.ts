import { ClientError, badRequest } from "../../errors.ts";
import { GROUP_SEALED, type GroupRef } from "../../job/group.ts";
import { jobIdForKey } from "../../job/accept.ts";
import { isFinished, type Job } from "../../job/job.ts";
import type { Message } from "../../job/message.ts";
import type { ServiceParts } from "../../parts.ts";

// Whether a job may become a member of a group: one consistent read of the group, for jobs that name one.

/** Requests of one batch that name the same group read it once, within this object. */
export type KnownGroups = Map<string, Promise<Job | undefined>>;

/**
 * The group that the job becomes a member of. A job that is its member already is so still, whatever became of the group.
 * Throws BAD_REQUEST for a group that there is not, CONFLICT for one that is sealed.
 */
export async function groupFor(
  { metadata }: Message,
  appId: string,
  { store }: Pick<ServiceParts, "store">,
  known: KnownGroups = new Map(),
): Promise<GroupRef | undefined> {
  const { group: id, idempotencyKey: key } = metadata;
  if (id === undefined) return undefined;
  const reading = known.get(id) ?? store.get(id);
  known.set(id, reading);
  const group = await reading;
  if (!group?.fanIn || group.appId !== appId) throw noSuchGroup();
  if (!isFinished(group) && group.fanIn.sealedAt === undefined) return refOf(group);
  const member = key === undefined ? undefined : await store.get(jobIdForKey(appId, key));
  if (member?.memberOf?.id === id) return member.memberOf;
  const message = `The group ${id} is sealed: nothing becomes a member any more`;
  throw new ClientError("CONFLICT", message, [], { reason: GROUP_SEALED });
}

function refOf({ id, createdAt }: Job): GroupRef {
  return { id, createdAt };
}

function noSuchGroup(): ClientError {
  const message = "is not the id of a group of the app: make one by POST /v1/groups first";
  return badRequest([{ field: "message.metadata.group", message }]);
}
