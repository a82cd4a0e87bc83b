import type { DrawnPhone } from '../drawing.ts';
import type { PhoneProgram } from '../lab.ts';
import type { Place } from '../network.ts';
import type { LabPhone, PhoneOptions } from '../phones/phone.ts';
import type { Stage } from './scene.ts';

interface Part {
  readonly program: PhoneProgram;
  readonly place: Place;
  /** Where it is not what phones of this kind do of themselves. */
  readonly options?: Partial<PhoneOptions>;
}

export type CastName = 'alice' | 'bob' | 'carol' | 'dave' | 'erin' | 'frank';

const shortRegistrationSeconds = 10;
/** What the gateway must be told for it. */
export const castSettings: readonly string[] = [`registrar.minExpires=${shortRegistrationSeconds}`];

/** Most have the same address at home: nothing may hang on it. */
const parts: Readonly<Record<CastName, Part>> = {
  alice: { program: 'baresip', place: { home: 'a1', address: '10.0.0.10' } },
  bob: { program: 'baresip', place: { home: 'b1', address: '10.0.0.10' } },
  carol: { program: 'baresip', place: { home: 'a2', address: '10.0.0.10' } },
  dave: { program: 'linphone', place: { home: 'b2', address: '10.0.0.10' } },
  erin: { program: 'linphone', place: { home: 'a2', address: '10.0.0.11' } },
  frank: {
    program: 'baresip',
    place: { home: 'b1', address: '10.0.0.12' },
    // It would wait for half a minute after its keepalives have shown another address.
    options: { registerSeconds: shortRegistrationSeconds, keepsAlive: false },
  },
};

export const castNames: readonly string[] = Object.keys(parts);

/** One of the phones, registered; it is started for the first scene that needs it. */
export function appear({ lab }: Stage, name: CastName): Promise<LabPhone> {
  const { program, place, options } = parts[name];
  return lab.phone(program, name, place, options);
}

/** Where everybody stands, for a picture. */
export const castPhones: readonly DrawnPhone[] = Object.entries(parts).map(([name, { program, place }]) => ({
  name,
  program,
  ...place,
}));
