import type { Status } from "../api/shapes.ts";
import { Icon, type Shape } from "./icon.tsx";

// The statuses: a word, a shape and a tone each, never a colour alone.

export type Tone = "waiting" | "running" | "retrying" | "succeeded" | "failed" | "dead" | "cancelled";

interface Shown {
  readonly word: string;
  readonly shape: Shape;
  readonly tone: Tone;
}

export const SHOWN: Readonly<Record<Status, Shown>> = {
  PENDING: { word: "Waiting", shape: "circle", tone: "waiting" },
  RUNNING: { word: "Running", shape: "play", tone: "running" },
  RETRYING: { word: "Retrying", shape: "retry", tone: "retrying" },
  SUCCEEDED: { word: "Succeeded", shape: "check", tone: "succeeded" },
  FAILED: { word: "Failed", shape: "bang", tone: "failed" },
  DEAD: { word: "Dead", shape: "cross", tone: "dead" },
  CANCELLED: { word: "Cancelled", shape: "slash", tone: "cancelled" },
};

export const STATUSES = Object.keys(SHOWN) as readonly Status[];

export function isFinal(status: Status): boolean {
  return status !== "PENDING" && status !== "RUNNING" && status !== "RETRYING";
}

export function StatusBadge({ status, word }: { readonly status: Status; readonly word?: string }) {
  const shown = SHOWN[status] ?? SHOWN.PENDING;
  return (
    <span class="badge" data-tone={shown.tone} data-status={status}>
      <Icon shape={shown.shape} />
      {word ?? shown.word}
    </span>
  );
}
