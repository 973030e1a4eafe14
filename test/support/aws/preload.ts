import { record } from "./recorder.ts";

record();
