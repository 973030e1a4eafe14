import { render } from "preact";
import "./styles/index.css"; // oxlint-disable-line import/no-unassigned-import -- a style sheet has nothing to name
import { takeHandedOver } from "./api/session.ts";
import { App } from "./app.tsx";

takeHandedOver();
const place = document.getElementById("app");
if (place) render(<App />, place);
