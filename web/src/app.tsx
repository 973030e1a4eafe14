import { LocationProvider, Route, Router, useLocation } from "preact-iso/router";
import { useEffect } from "preact/hooks";
import { announced } from "./announced.ts";
import { client } from "./api/query.ts";
import { isOnline, isPaused, onLive } from "./api/live.ts";
import { claims, isRefused, signOut, token } from "./api/session.ts";
import { Help } from "./help.tsx";
import { startKeys } from "./keys.ts";
import { appId, chosenApp, chooseApp, mayOperate, me } from "./me.ts";
import { Icon, type Shape } from "./parts/icon.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { Toasts } from "./parts/toasts.tsx";
import { Search } from "./search.tsx";
import Overview from "./pages/overview.tsx";
import Jobs from "./pages/jobs.tsx";
import JobPage from "./pages/job.tsx";
import New from "./pages/new.tsx";
import Schedules from "./pages/schedules.tsx";
import Destinations from "./pages/destinations.tsx";
import Bulk from "./pages/bulk.tsx";
import BulkAction from "./pages/bulk-action.tsx";
import Settings from "./pages/settings.tsx";
import Secrets from "./pages/secrets.tsx";
import Usage from "./pages/usage.tsx";
import Audit from "./pages/audit.tsx";
import Apps from "./pages/apps.tsx";
import Mail from "./pages/mail.tsx";
import Echo from "./pages/echo.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { BASE, pathOf } from "./root.ts";
import { durationText, rate, tick } from "./time.ts";

export function App() {
  if (token.value === undefined) return <SignIn />;
  return (
    <LocationProvider scope={BASE}>
      <Shell />
      <Toasts />
      <Dialog title="Sign in again" isOpen={isRefused.value} onClose={() => (isRefused.value = false)}>
        <SignIn isAgain />
      </Dialog>
    </LocationProvider>
  );
}

function Shell() {
  const { route } = useLocation();
  useEffect(() => startKeys(route), []);
  useEffect(() => onLive(() => void client.refetchQueries({ type: "active", stale: true })), []);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>("main h1")?.focus())}
      >
        Skip to the page
      </a>
      <div class="shell">
        <Top />
        <Rail />
        <main id="main">
          <Router onRouteChange={onRouteChange} onLoadEnd={onLoadEnd}>
            <Route path={BASE} component={Overview} />
            <Route path={pathOf("/jobs")} component={Jobs} />
            <Route path={pathOf("/jobs/:id")} component={JobPage} />
            <Route path={pathOf("/new")} component={New} />
            <Route path={pathOf("/schedules")} component={Schedules} />
            <Route path={pathOf("/destinations")} component={Destinations} />
            <Route path={pathOf("/bulk")} component={Bulk} />
            <Route path={pathOf("/bulk/:id")} component={BulkAction} />
            <Route path={pathOf("/app/settings")} component={Settings} />
            <Route path={pathOf("/app/secrets")} component={Secrets} />
            <Route path={pathOf("/app/usage")} component={Usage} />
            <Route path={pathOf("/app/audit")} component={Audit} />
            <Route path={pathOf("/apps")} component={Apps} />
            <Route path={pathOf("/local/mail")} component={Mail} />
            <Route path={pathOf("/local/echo")} component={Echo} />
            <Route default component={NoPage} />
          </Router>
        </main>
      </div>
      <div class="hidden-text" role="status" aria-live="polite">
        {announced.value}
      </div>
      <Help />
    </>
  );
}

let isFirst = true;
let wasPath = location.pathname;

function onRouteChange(): void {
  if (location.pathname !== wasPath) isFirst = false;
}

/** The heading is focused on navigation, so that a screen reader begins with it; not when only the query changes. */
function onLoadEnd(): void {
  const heading = document.querySelector<HTMLElement>("main h1");
  if (heading) document.title = `${heading.textContent} · Jobs`;
  if (!isFirst && location.pathname !== wasPath) heading?.focus({ preventScroll: false });
  wasPath = location.pathname;
}

function NoPage() {
  return (
    <div class="empty">
      <h1 tabIndex={-1}>There is no such page</h1>
      <a href={BASE}>To the overview</a>
    </div>
  );
}

function Top() {
  const shown = me.value;
  return (
    <header class="top">
      <a class="brand" href={BASE}>
        <Icon shape="check" /> <span>{shown?.appName ?? "Jobs"}</span>
      </a>
      {chosenApp.value !== undefined && (
        <button
          type="button"
          class="button small"
          title="Back to the app of your token"
          onClick={() => (chooseApp(undefined), location.reload())}
        >
          App {chosenApp.value.slice(0, 8)} <Icon shape="cross" label="Back to your own app" />
        </button>
      )}
      <div class="search">
        <Search />
      </div>
      <div class="row right">
        <Live />
        {rate.value !== 1 && (
          <span
            class="badge"
            data-tone="retrying"
            title="The clock of this stack runs fast: waits are short, durations of attempts are real"
          >
            ×{rate.value}
          </span>
        )}
        <TokenTime />
        <button type="button" class="button plain icon" title="Sign out" aria-label="Sign out" onClick={signOut}>
          <Icon shape="out" />
        </button>
      </div>
    </header>
  );
}

function Live() {
  const word = !isOnline.value ? "Offline" : isPaused.value ? "Paused" : "Live";
  return (
    <button
      type="button"
      class="button small"
      aria-pressed={!isPaused.value}
      title={isPaused.value ? "Refresh again (p)" : "Stop refreshing (p)"}
      onClick={() => (isPaused.value = !isPaused.value)}
    >
      <Icon shape={isPaused.value ? "pause" : "play"} /> {word}
    </button>
  );
}

/** Said only when it matters. */
const TOLD_BELOW = 15 * 60_000;

function TokenTime() {
  void tick.value;
  const { exp } = claims.value ?? {};
  const left = exp === undefined ? Number.POSITIVE_INFINITY : exp * 1_000 - Date.now();
  if (left > TOLD_BELOW) return null;
  return (
    <span
      class="badge"
      data-tone={left < 60_000 ? "dead" : "retrying"}
      title="When it ends, this page asks for a new one and loses nothing"
    >
      token {left <= 0 ? "ended" : durationText(left)}
    </span>
  );
}

interface Link {
  readonly page: string;
  readonly word: string;
  readonly shape: Shape;
  readonly isLesser?: boolean;
}

const MAIN: readonly Link[] = [
  { page: "/", word: "Overview", shape: "home" },
  { page: "/jobs", word: "Jobs", shape: "list" },
  { page: "/schedules", word: "Schedules", shape: "calendar" },
  { page: "/destinations", word: "Destinations", shape: "target" },
  { page: "/bulk", word: "Bulk", shape: "layers", isLesser: true },
];
const OF_APP: readonly Link[] = [
  { page: "/app/settings", word: "Settings", shape: "gear" },
  { page: "/app/secrets", word: "Secrets", shape: "key", isLesser: true },
  { page: "/app/usage", word: "Usage", shape: "chart", isLesser: true },
  { page: "/app/audit", word: "Audit log", shape: "book", isLesser: true },
];
const LOCAL: readonly Link[] = [
  { page: "/local/mail", word: "Mailbox", shape: "mail", isLesser: true },
  { page: "/local/echo", word: "Echo", shape: "link", isLesser: true },
];

function Rail() {
  const { path } = useLocation();
  return (
    <nav class="rail" aria-label="Pages">
      <Links links={MAIN} path={path} />
      <p class="group">App</p>
      <Links
        links={[
          ...OF_APP,
          ...(mayOperate.value ? [{ page: "/apps", word: "Apps", shape: "group", isLesser: true } as const] : []),
        ]}
        path={path}
      />
      {me.value?.local && (
        <>
          <p class="group">Local</p>
          <Links links={LOCAL} path={path} />
        </>
      )}
      <p class="group">{appId.value !== undefined && <code title={appId.value}>{appId.value.slice(0, 8)}</code>}</p>
    </nav>
  );
}

function Links({ links, path }: { readonly links: readonly Link[]; readonly path: string }) {
  return (
    <ul role="list">
      {links.map(({ page, word, shape, isLesser = false }) => {
        const to = pathOf(page);
        const isHere = page === "/" ? path === BASE || path === `${BASE}/` : path === to || path.startsWith(`${to}/`);
        return (
          <li key={page} class={isLesser ? "lesser" : undefined}>
            <a href={to} {...(isHere && { "aria-current": "page" as const })}>
              <Icon shape={shape} /> {word}
            </a>
          </li>
        );
      })}
    </ul>
  );
}
