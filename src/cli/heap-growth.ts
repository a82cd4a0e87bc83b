import { constants, type PerformanceEntry, PerformanceObserver, performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';

/**
 * By how much the heap may grow from one full collection to the next, in percent of what lives. V8's own choice is up to
 * four times what lives, and the memory of a gateway then rises for as long as a load lasts. With the least, memory stays
 * where it is at some hundred calls a second, and a collection comes once in half a minute; at a thousand it would come
 * every four seconds and cost each call a tenth more, and one call in a hundred some 10 ms (`bench/README.md`).
 */
export const leastGrowthPercent = 20;
export const mostGrowthPercent = 80;

/** Collections of a busy gateway that follow each other faster than this are too many … */
const frequentMs = 10_000;
/** … and slower than this fewer than memory is worth. */
const rareMs = 30_000;
/** Of its time; a gateway that does less collects because it is quiet, to give memory back. */
const busyShare = 0.25;

/** What V8 is to be told after a full collection that came `sinceMs` after the one before. */
export function nextGrowthPercent(percent: number, sinceMs: number, busy: number): number {
  if (sinceMs < frequentMs && busy >= busyShare) return Math.min(mostGrowthPercent, percent * 2);
  return sinceMs > rareMs || busy < busyShare ? Math.max(leastGrowthPercent, percent / 2) : percent;
}

/** Has V8 collect seldom enough under load, and often enough otherwise; V8 asks after each collection. */
export function paceHeapGrowth(): void {
  let percent = leastGrowthPercent;
  let lastMs = performance.now();
  let last = performance.eventLoopUtilization();
  setFlagsFromString(`--heap-growing-percent=${percent}`);
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!isFull(entry)) continue;
      const now = performance.eventLoopUtilization();
      const busy = performance.eventLoopUtilization(now, last).utilization;
      percent = nextGrowthPercent(percent, entry.startTime - lastMs, busy);
      setFlagsFromString(`--heap-growing-percent=${percent}`);
      [lastMs, last] = [entry.startTime, now];
    }
  });
  observer.observe({ entryTypes: ['gc'] });
}

function isFull(entry: PerformanceEntry): boolean {
  const detail: unknown = 'detail' in entry ? entry.detail : undefined;
  return (
    typeof detail === 'object' &&
    detail !== null &&
    'kind' in detail &&
    detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
  );
}
