import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** A part of a page that comes when it is first shown, since most pages are without it. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Later(props: P) {
    const [Shown, setShown] = useState<ComponentType<P> | undefined>(() => loaded);
    useEffect(() => {
      if (loaded) return;
      void load()
        .catch(() => NotLoaded)
        .then((come) => setShown(() => (loaded = come)));
    }, []);
    return Shown ? <Shown {...props} /> : null;
  };
}

/** A deployment replaces the files that a page from before asks for. */
export function NotLoaded() {
  return (
    <div class="empty">
      <h1 tabIndex={-1}>This page could not be loaded</h1>
      <p>The network is down, or the service has a new version.</p>
      <button type="button" class="button" onClick={() => location.reload()}>
        Load again
      </button>
    </div>
  );
}
