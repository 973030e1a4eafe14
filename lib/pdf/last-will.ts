import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";

/**
 * Ends the process group of a child when this process dies, however it does. A Chromium that prints a long document sees
 * only at its end, minutes later, that its pipe is closed. A shell waits for the end of a pipe that this process holds.
 */
export function endWithThisProcess(child: ChildProcess, group: number): void {
  const shell = spawn("sh", ["-c", 'read _; kill -9 "-$0"', String(group)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // Where there is no shell, the pipe of Chromium has to do.
  shell.on("error", () => {});
  shell.unref();
  (shell.stdin as Socket).on("error", () => {}).unref();
  // The number of a group that is gone may be given to another.
  child.once("exit", () => shell.kill("SIGKILL"));
}
