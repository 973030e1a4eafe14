import { LocationProvider, useLocation } from "preact-iso/router";
import { useEffect, useRef } from "preact/hooks";
import { announced } from "./announced.ts";
import { client } from "./api/query.ts";
import { isAnswered } from "./api/sign-in.ts";
import { isOnline, isPaused, onLive } from "./api/live.ts";
import { claims, identity, isAskingAgain, isRefused, signOut, token } from "./api/session.ts";
import { watchHeading } from "./heading.ts";
import { isHelpOpen, startKeys } from "./keys.ts";
import { chosenApp, chooseApp, me } from "./me.ts";
import { Icon } from "./parts/icon.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { later } from "./parts/later.tsx";
import { Toasts } from "./parts/toasts.tsx";
import { Rail } from "./rail.tsx";
import { Routes } from "./routes.tsx";
import { Search } from "./search.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { BASE } from "./root.ts";
import { clockText, durationText, now, rate, tick } from "./time.ts";

export function App() {
  if (token.value === undefined || isAnswered.value) return <SignIn />;
  return (
    // Another person's page begins anew.
    <LocationProvider scope={BASE} key={identity.value}>
      <Shell />
      <Toasts />
      <Dialog title="Sign in again" isOpen={isAskingAgain.value} onClose={() => (isAskingAgain.value = false)}>
        <SignIn isAgain />
      </Dialog>
    </LocationProvider>
  );
}

const Help = later(async () => (await import("./help.tsx")).Help);

function Shell() {
  const { route } = useLocation();
  const hasHelp = useRef(false);
  hasHelp.current ||= isHelpOpen.value;
  useEffect(() => startKeys(route), []);
  useEffect(watchHeading, []);
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
          <Routes />
        </main>
      </div>
      <div class="hidden-text" role="status" aria-live="polite">
        {announced.value}
      </div>
      {hasHelp.current && <Help />}
    </>
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
        <Clock />
        <TokenTime />
        <button type="button" class="button plain icon" title="Sign out" aria-label="Sign out" onClick={signOut}>
          <Icon shape="out" />
        </button>
      </div>
    </header>
  );
}

function Live() {
  if (isRefused.value) {
    return (
      <button
        type="button"
        class="button small"
        title="The token is taken no more, and nothing is refreshed"
        onClick={() => (isAskingAgain.value = true)}
      >
        <Icon shape="key" /> Sign in again
      </button>
    );
  }
  const word = !isOnline.value ? "Offline" : isPaused.value ? "Paused" : "Live";
  return (
    <button
      type="button"
      class="button small"
      aria-pressed={!isPaused.value}
      title={isPaused.value ? "Refresh again (p)" : "Stop refreshing (p)"}
      onClick={() => (isPaused.value = !isPaused.value)}
    >
      {isPaused.value ? (
        <Icon shape="pause" />
      ) : (
        <span class="dot" data-tone={isOnline.value ? "succeeded" : "failed"} />
      )}{" "}
      {word}
    </button>
  );
}

/** The service's clock, where it runs fast. */
function Clock() {
  void tick.value;
  if (rate.value === 1) return null;
  return (
    <span
      class="badge"
      data-tone="retrying"
      title="The clock of this stack runs fast: waits are short, durations of attempts are real"
    >
      ×{rate.value} <span class="not-on-phone">{clockText(now())}</span>
    </span>
  );
}

const TOLD_BELOW = 15 * 60_000;

function TokenTime() {
  void tick.value;
  const { exp } = claims.value ?? {};
  const left = exp === undefined ? Number.POSITIVE_INFINITY : exp * 1_000 - Date.now();
  if (exp === undefined) return null;
  if (left > TOLD_BELOW)
    return (
      <span class="muted small only-wide" title="When it ends, this page asks for a new one and loses nothing">
        token {durationText(left).split(" ").slice(0, 2).join(" ")}
      </span>
    );
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
