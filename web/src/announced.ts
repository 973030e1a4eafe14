import { signal } from "@preact/signals";

/** What a screen reader is told of a page's changes: one sentence at a time. */
export const announced = signal("");
