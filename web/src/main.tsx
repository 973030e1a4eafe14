import { render } from "preact";
import "./styles/index.css"; // oxlint-disable-line import/no-unassigned-import -- a style sheet has nothing to name
import { takeHandedOver } from "./api/session.ts";
import { App } from "./app.tsx";
import { keepTextSafe } from "./parts/text.tsx";
import { BASE } from "./root.ts";

// The root of the service shows this page, too, and so does a slash behind its path.
if (!location.pathname.startsWith(BASE) || location.pathname === `${BASE}/`)
  history.replaceState(null, "", BASE + location.search + location.hash);
takeHandedOver();
keepTextSafe();
const place = document.getElementById("app");
if (place) render(<App />, place);
