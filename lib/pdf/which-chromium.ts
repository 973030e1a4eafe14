import { join } from "node:path";
import { BadDocument } from "./request.ts";

// Which Chromium makes PDFs: the packaged one on Linux x64, as deployed; elsewhere an installed Chrome.

export type WhichChromium = { readonly kind: "packaged" } | { readonly kind: "installed"; readonly executable: string };

export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly exists: (path: string) => boolean;
}

const LINUX = [
  "/usr/bin/google-chrome-stable",
  "/usr/bin/google-chrome",
  "/opt/google/chrome/chrome",
  "/usr/bin/chromium",
  "/usr/lib/chromium/chromium",
];
const MACOS = [
  "Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "Applications/Chromium.app/Contents/MacOS/Chromium",
  "Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
];

/** Throws `BadDocument` where there is none: another attempt would not help, and whoever asked can read why. */
export function whichChromium({ platform, arch, env, exists }: Machine): WhichChromium {
  const named = env["CHROMIUM"];
  if (named) {
    if (exists(named)) return { kind: "installed", executable: named };
    throw new BadDocument(`Expected a Chrome or Chromium at CHROMIUM, ${named}, and found none; name another one`);
  }
  if (platform === "linux" && arch === "x64") return { kind: "packaged" };
  const homes = ["/", ...(env["HOME"] ? [env["HOME"]] : [])];
  const usual = platform === "darwin" ? homes.flatMap((home) => MACOS.map((path) => join(home, path))) : LINUX;
  const executable = usual.find((path) => exists(path));
  if (executable !== undefined) return { kind: "installed", executable };
  throw new BadDocument(
    `Expected Chrome or Chromium on this machine (${platform}-${arch}) to make PDFs, and found none; install one, or name it in CHROMIUM`,
  );
}
