import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/base/index.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('the log', () => {
  it('writes 50 warnings of one text in a second, then how many more there were, and other texts as ever', () => {
    const clock = new FakeClock();
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger('info', { write: (text) => lines.push(JSON.parse(text)) }, clock);
    const alike = (): unknown[] => lines.filter(({ msg }) => msg === 'digest refused');
    for (let i = 0; i < 1_000; i++) logger.warn({ source: `192.0.2.${i % 250}` }, 'digest refused');
    logger.warn({}, 'something else');
    expect(alike()).toHaveLength(50);
    expect(lines.at(-1)).toMatchObject({ msg: 'something else' });
    clock.advance(1_000);
    expect(lines.at(-1)).toMatchObject({ level: 40, msg: 'digest refused', unsaid: 950 });
    logger.warn({ source: '192.0.2.9' }, 'digest refused');
    expect(lines.at(-1)).toMatchObject({ source: '192.0.2.9' });
    expect(alike()).toHaveLength(52);
  });
});
