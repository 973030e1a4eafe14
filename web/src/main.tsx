import { render } from "preact";
import "./styles/index.css";
import { takeHandedOver } from "./api/session.ts";
import { App } from "./app.tsx";

takeHandedOver();
const place = document.getElementById("app");
if (place) render(<App />, place);
