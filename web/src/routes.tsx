import lazy from "preact-iso/lazy";
import { Route, Router, useLocation } from "preact-iso/router";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { onArrival } from "./heading.ts";
import Overview from "./pages/overview.tsx";
import Jobs from "./pages/jobs.tsx";
import JobPage from "./pages/job.tsx";
import { NotLoaded } from "./parts/later.tsx";
import { BASE, pathOf } from "./root.ts";

// Which page lies where. Those that are seldom opened come when they are.

type Load = () => Promise<{ readonly default: ComponentType }>;

const PAGES: Readonly<Record<string, ComponentType>> = {
  "/": Overview,
  "/jobs": Jobs,
  "/jobs/:id": JobPage,
  "/new": later(async () => import("./pages/new.tsx")),
  "/schedules": later(async () => import("./pages/schedules.tsx")),
  "/destinations": later(async () => import("./pages/destinations.tsx")),
  "/groups": later(async () => import("./pages/groups.tsx")),
  "/bulk": later(async () => import("./pages/bulk.tsx")),
  "/bulk/:id": later(async () => import("./pages/bulk-action.tsx")),
  "/app/settings": later(async () => import("./pages/settings.tsx")),
  "/app/secrets": later(async () => import("./pages/secrets.tsx")),
  "/app/usage": later(async () => import("./pages/usage.tsx")),
  "/app/audit": later(async () => import("./pages/audit.tsx")),
  "/apps": later(async () => import("./pages/apps.tsx")),
  "/local/mail": later(async () => import("./pages/mail.tsx")),
  "/local/echo": later(async () => import("./pages/echo.tsx")),
  "/sign-in": ToOverview,
};

function later(load: Load): ComponentType {
  return lazy(async () => load().catch(() => ({ default: NotLoaded })));
}

export function Routes() {
  return (
    <Router onRouteChange={onArrival}>
      {Object.entries(PAGES).map(([page, component]) => (
        <Route key={page} path={pathOf(page)} component={component} />
      ))}
      <Route default component={NoPage} />
    </Router>
  );
}

function ToOverview() {
  const { route } = useLocation();
  useEffect(() => route(BASE, true), []);
  return null;
}

function NoPage() {
  return (
    <div class="empty">
      <h1 tabIndex={-1}>There is no such page</h1>
      <a href={BASE}>To the overview</a>
    </div>
  );
}
