import { describe, it } from 'vitest';
import { rtpengineInstalled } from '../support/rtpengine.ts';
import { whyNoLab } from './permission.ts';
import { chromiumInstalled } from './phones/browser.ts';
import { browserAndPhone } from './scenes/browser.ts';

const missing = rtpengineInstalled ? 'chromium' : 'rtpengine-daemon';
const why = rtpengineInstalled && chromiumInstalled ? await whyNoLab() : `${missing} is not installed`;
if (why !== undefined) process.stderr.write(`skipped: test/lab/browser.test.ts: ${why}\n`);

describe.skipIf(why !== undefined)('through rtpengine (RFC 8834 media joined to plain RTP)', () => {
  it(browserAndPhone.title, () => browserAndPhone.play({ say: () => {} }), 90_000);
});
