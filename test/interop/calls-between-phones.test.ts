import { afterAll, beforeAll, describe, it } from 'vitest';
import type { TransportName } from '../../src/sip/index.ts';
import { chainFaults } from '../support/audit-trail.ts';
import { until } from '../support/until.ts';
import { Office } from './office.ts';
import { type Phone, type PhoneName, phoneModels } from './phones/index.ts';

type Seat = readonly [PhoneName, TransportName];

/** Who calls, who answers, and to whom the answering side is transferred. */
const rows: readonly (readonly [Seat, Seat, Seat])[] = [
  [
    ['baresip', 'udp'],
    ['SIP.js', 'wss'],
    ['linphone', 'tls'],
  ],
  [
    ['baresip', 'tls'],
    ['JsSIP', 'ws'],
    ['SIP.js', 'wss'],
  ],
  [
    ['linphone', 'tcp'],
    ['JsSIP', 'wss'],
    ['baresip', 'tls'],
  ],
  [
    ['linphone', 'tls'],
    ['baresip', 'udp'],
    ['linphone', 'tcp'],
  ],
  [
    ['SIP.js', 'ws'],
    ['linphone', 'udp'],
    ['JsSIP', 'ws'],
  ],
  [
    ['SIP.js', 'wss'],
    ['baresip', 'tcp'],
    ['baresip', 'udp'],
  ],
  [
    ['JsSIP', 'ws'],
    ['SIP.js', 'ws'],
    ['linphone', 'tcp'],
  ],
  [
    ['JsSIP', 'wss'],
    ['linphone', 'tls'],
    ['SIP.js', 'wss'],
  ],
];

let office: Office;

beforeAll(async () => {
  office = await Office.open(rows.flatMap((_, row) => [`a${row}`, `b${row}`, `c${row}`]));
});
afterAll(() => office.close());

describe.for(
  rows.map((seats, row) => ({ seats, row, title: seats.map((seat) => seat.join(' ')).join(', ') })),
)('$title', ({ seats, row }) => {
  const missing = seats.map(([name]) => phoneModels[name].missing).find((why) => why !== undefined);
  if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

  it.skipIf(missing !== undefined)(
    'the first calls the second, both hold and resume, the second is transferred to the third',
    async () => {
      const open = ([name, transport]: Seat, user: string): Promise<Phone> =>
        office.phone(name, transport, `${user}${row}`);
      const [first, second, third] = [
        await open(seats[0], 'a'),
        await open(seats[1], 'b'),
        await open(seats[2], 'c'),
      ];
      const [call, answered] = await Promise.all([first.call(`b${row}`), second.answer()]);
      for (const [one, other] of [
        [call, answered],
        [answered, call],
      ] as const) {
        await Promise.all([one.hold(), other.held()]);
        await Promise.all([one.resume(), other.released()]);
      }
      const [transferred, atThird] = await Promise.all([
        second.followTransfer(),
        third.answer(),
        call.transfer(`c${row}`),
      ]);
      await Promise.all([call.hangUp(), answered.ended]);
      await Promise.all([atThird.hangUp(), transferred.ended]);
      await Promise.all([first, second, third].map((phone) => office.leave(phone)));
    },
  );
});

it('each of these calls has left one whole chain of records', async () => {
  await until('all are closed', async () => chainFaults(await office.gateway.records()).length === 0);
});
