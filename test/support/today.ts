/** A whole number for each date, such as 20261128: what the gate draws from it is the same all day, everywhere. */
export function today(): number {
  return Number(new Date().toISOString().slice(0, 10).replaceAll("-", ""));
}

/** Tells how to repeat what was drawn from the date. */
export function tellDrawn(command: string): void {
  process.stdout.write(`Drawn by the date: ${command}\n`);
}
