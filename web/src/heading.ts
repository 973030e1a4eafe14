// The heading of a page: the title of the tab, and where a screen reader begins after a navigation.

let isWanted = false;

/** A page is there. The heading may be another once its data is. */
export function onArrival(): void {
  isWanted = true;
  show();
}

/** Keeps the title, and the focus on the heading until somebody goes on from there. */
export function watchHeading(): () => void {
  const observer = new MutationObserver(show);
  const main = document.getElementById("main");
  if (main) observer.observe(main, { childList: true, subtree: true, characterData: true });
  const goOn = () => (isWanted = false);
  addEventListener("keydown", goOn);
  addEventListener("pointerdown", goOn);
  show();
  return () => {
    observer.disconnect();
    removeEventListener("keydown", goOn);
    removeEventListener("pointerdown", goOn);
  };
}

function show(): void {
  const heading = document.querySelector<HTMLElement>("main h1");
  if (!heading) return;
  const title = `${heading.textContent} · Jobs`;
  if (document.title !== title) document.title = title;
  const { activeElement: focused } = document;
  const isFree = focused === null || focused === document.body || !focused.closest("main, dialog");
  if (isWanted && isFree) heading.focus({ preventScroll: true });
}
