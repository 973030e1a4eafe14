import { isContainer } from "./body.ts";

/** The content types of a patch. */
export const PATCH_TYPES = ["application/merge-patch+json", "application/json"] as const;

/** A value after a patch of RFC 7396: null removes a member, an array stands for the whole one. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is object {
  return isContainer(value) && !Array.isArray(value);
}
