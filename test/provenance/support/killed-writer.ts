import { writeSync } from 'node:fs';
import { attempt, closing, openLog } from './test-log.ts';

/** Appends calls for ever and says which records are durable; its parent kills it somewhere. */
const log = await openLog(process.argv[2] ?? '', {
  limits: { checkpointDelayMs: 5, journalSegmentBytes: 50_000 },
});
for (const { id } of log.openCalls()) log.append(closing(id));
const run = process.pid;
for (let call = 0; ; call++) {
  for (const draft of [attempt(`${run}-${call}`), ...(call % 3 === 0 ? [] : [closing(`${run}-${call}`)])]) {
    const { id, durability } = log.append(draft);
    durability.whenSettled((state) => {
      if (state === 'durable') writeSync(1, `${id}\n`);
    });
  }
  if (call % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
}
