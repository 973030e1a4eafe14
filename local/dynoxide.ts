// The packages with the binary of the embedded DynamoDB. Each is an optional dependency, and npm installs the one for
// its machine.

/** A package for each platform, and the binary within it. Windows has the others through WSL. */
const PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "@dynoxide/linux-x64/dynoxide",
  "linux-arm64": "@dynoxide/linux-arm64/dynoxide",
  "darwin-x64": "@dynoxide/darwin-x64/dynoxide",
  "darwin-arm64": "@dynoxide/darwin-arm64/dynoxide",
  "win32-x64": "@dynoxide/win32-x64/dynoxide.exe",
};

interface Machine {
  readonly platform: string;
  readonly arch: string;
  /** The path of a file in an installed package. Throws if it is not there. */
  readonly find: (file: string) => string;
}

/** The path of the binary for a machine. */
export function packagedDynoxide({ platform, arch, find }: Machine): string {
  const file = PACKAGES[`${platform}-${arch}`];
  const other = "set DYNOXIDE to a dynoxide binary, or AWS_ENDPOINT_URL_DYNAMODB to a DynamoDB Local";
  if (file === undefined) {
    throw new Error(
      `No DynamoDB emulator for ${platform}-${arch}: expected one of ${Object.keys(PACKAGES).join(", ")}; ${other}`,
    );
  }
  try {
    return find(file);
  } catch {
    const name = file.split("/").slice(0, 2).join("/");
    throw new Error(
      `No DynamoDB emulator for ${platform}-${arch}: expected the package ${name}, which is not installed; ` +
        `run npm ci without --omit=optional, or ${other}`,
    );
  }
}
