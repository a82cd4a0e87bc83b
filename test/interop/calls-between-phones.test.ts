import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TransportName } from '../../src/sip/index.ts';
import { ProbedPhone } from '../softphone/probed-phone.ts';
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
  office = await Office.open(['desk', ...rows.flatMap((_, row) => [`a${row}`, `b${row}`, `c${row}`])]);
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

it.skipIf(phoneModels.baresip.missing !== undefined)(
  'a phone that has a key calls baresip: the intent that it declared is on record, signed by its device',
  async () => {
    const desk = await office.phone('baresip', 'tcp', 'desk');
    const alice = await ProbedPhone.register({ name: 'alice', port: office.gateway.port('ws') });
    const [call, answered] = await Promise.all([
      alice.callAnswered('jis:desk', 'the delivery is here'),
      desk.answer(),
    ]);
    await Promise.all([call.hangUp(), answered.ended]);
    await alice.close();
    const attempt = (await office.gateway.records()).findLast(({ event }) => event === 'call.attempt');
    expect(attempt).toMatchObject({
      erachter: 'the delivery is here',
      erin: { caller: 'jis:alice', callee: 'jis:desk', assurance: 3, signedBy: 'device' },
    });
  },
);

it('each of these calls has left one whole chain of records', async () => {
  await office.gateway.closedCalls();
});
