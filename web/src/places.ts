import type { Shape } from "./parts/icon.tsx";

// The pages by their names: the rail lists them, the search leads to them.

export interface Place {
  readonly page: string;
  readonly word: string;
  readonly shape: Shape;
  /** Behind "More" on a phone. */
  readonly isLesser?: boolean;
}

export const MAIN: readonly Place[] = [
  { page: "/", word: "Overview", shape: "home" },
  { page: "/jobs", word: "Jobs", shape: "list" },
  { page: "/schedules", word: "Schedules", shape: "calendar" },
  { page: "/destinations", word: "Destinations", shape: "target" },
  { page: "/groups", word: "Groups", shape: "group", isLesser: true },
  { page: "/bulk", word: "Bulk actions", shape: "layers", isLesser: true },
];
export const OF_APP: readonly Place[] = [
  { page: "/app/settings", word: "Settings", shape: "gear", isLesser: true },
  { page: "/app/secrets", word: "Secrets", shape: "key", isLesser: true },
  { page: "/app/usage", word: "Usage", shape: "chart", isLesser: true },
  { page: "/app/audit", word: "Audit log", shape: "book", isLesser: true },
];
export const OF_OPERATORS: readonly Place[] = [{ page: "/apps", word: "Apps", shape: "apps", isLesser: true }];
export const LOCAL: readonly Place[] = [
  { page: "/local/mail", word: "Mailbox", shape: "mail", isLesser: true },
  { page: "/local/echo", word: "Echo", shape: "link", isLesser: true },
];
