import type { EpochMs } from "../clock.ts";
import type { Status } from "../job/status.ts";
import { byAppKey, byStatusKey, byOwnerKey, type IndexEntry } from "./job-item.ts";

export interface IndexPage {
  readonly entries: readonly IndexEntry[];
  readonly complete: boolean;
}

/** Jobs of an app, newest first: all of one execution type, those in a listed status, or those of a user. */
export type AppIndex =
  | { readonly appId: string; readonly executionType: string }
  | { readonly appId: string; readonly status: Status }
  | { readonly appId: string; readonly userId: string };

export interface TimeRange {
  readonly from?: EpochMs | undefined;
  readonly to?: EpochMs | undefined;
}

/** An index and the partition of it that holds these jobs. */
export function partitionOf(index: AppIndex): ["byStatus" | "byApp" | "byOwner", string] {
  if ("status" in index) return ["byStatus", byStatusKey(index.appId, index.status)];
  if ("userId" in index) return ["byOwner", byOwnerKey(index.appId, index.userId)];
  return ["byApp", byAppKey(index.appId, index.executionType)];
}
