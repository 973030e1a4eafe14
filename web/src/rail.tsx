import { useLocation } from "preact-iso/router";
import { useRef } from "preact/hooks";
import { appId, mayOperate, me } from "./me.ts";
import { Icon } from "./parts/icon.tsx";
import { LOCAL, MAIN, OF_APP, OF_OPERATORS, type Place } from "./places.ts";
import { BASE, pathOf } from "./root.ts";

/** The pages: on the left where there is room, above the page where there is less, at the bottom of a phone. */
export function Rail() {
  const { path } = useLocation();
  const ofApp = [...OF_APP, ...(mayOperate.value ? OF_OPERATORS : [])];
  const local = me.value?.local ? LOCAL : [];
  return (
    <nav class="rail" aria-label="Pages">
      <Links places={MAIN} path={path} />
      <p class="group">App</p>
      <Links places={ofApp} path={path} />
      {local.length > 0 && (
        <>
          <p class="group">Local</p>
          <Links places={local} path={path} />
        </>
      )}
      <More places={[...MAIN, ...ofApp, ...local].filter(({ isLesser }) => isLesser)} path={path} />
      <p class="group">{appId.value !== undefined && <code title={appId.value}>{appId.value.slice(0, 8)}</code>}</p>
    </nav>
  );
}

function Links({ places, path }: { readonly places: readonly Place[]; readonly path: string }) {
  return (
    <ul role="list">
      {places.map((place) => (
        <li key={place.page} class={place.isLesser ? "lesser" : undefined}>
          <PlaceLink place={place} path={path} />
        </li>
      ))}
    </ul>
  );
}

function PlaceLink({ place: { page, word, shape }, path }: { readonly place: Place; readonly path: string }) {
  const to = pathOf(page);
  const isHere = page === "/" ? path === BASE || path === `${BASE}/` : path === to || path.startsWith(`${to}/`);
  return (
    <a href={to} {...(isHere && { "aria-current": "page" as const })}>
      <Icon shape={shape} /> {word}
    </a>
  );
}

/** Only on a phone: what has no place in the bar. */
function More({ places, path }: { readonly places: readonly Place[]; readonly path: string }) {
  const menu = useRef<HTMLDivElement>(null);
  return (
    <>
      <button type="button" class="more" popovertarget="more-pages">
        <Icon shape="more" /> More
      </button>
      <div ref={menu} id="more-pages" popover="auto" class="menu sheet" onClick={() => menu.current?.hidePopover()}>
        {places.map((place) => (
          <PlaceLink key={place.page} place={place} path={path} />
        ))}
      </div>
    </>
  );
}
