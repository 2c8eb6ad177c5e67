let second = -1;
let untilSecond = '';

/** Now, as ISO 8601 with milliseconds. All but the milliseconds is made once a second. */
export function isoTime(now = Date.now()): string {
  const milliseconds = now % 1_000;
  if (now - milliseconds !== second) {
    second = now - milliseconds;
    untilSecond = new Date(now).toISOString().slice(0, -'000Z'.length);
  }
  return `${untilSecond}${String(milliseconds).padStart(3, '0')}Z`;
}
