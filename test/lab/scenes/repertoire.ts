import type { LabOptions } from '../lab.ts';
import { browserAndPhone } from './browser.ts';
import { differentCarriers, sameCarrier } from './calls.ts';
import { castNames, castSettings } from './cast.ts';
import { everyNat, everyNatNames } from './every-nat.ts';
import { forgottenMapping, forgottenMappingNames, forgottenMappingSettings } from './forgotten-mapping.ts';
import { movedPhone, renumberedMapping } from './moving.ts';
import type { Scene } from './scene.ts';
import { crowdNames, twoHundredPhones } from './two-hundred.ts';

/** Everything that the lab shows, in an order in which no scene spoils the next. */
export const repertoire: readonly Scene[] = [
  differentCarriers,
  sameCarrier,
  movedPhone,
  renumberedMapping,
  twoHundredPhones,
  forgottenMapping,
  everyNat,
  browserAndPhone,
];

/** One lab for all of it. */
export const repertoireOptions: LabOptions = {
  users: [...castNames, ...crowdNames, ...forgottenMappingNames, ...everyNatNames],
  set: ['media.mode=relay', ...castSettings, ...forgottenMappingSettings],
};
