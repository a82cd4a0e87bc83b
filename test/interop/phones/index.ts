import type { TransportName } from '../../../src/sip/index.ts';
import { startBaresip } from './baresip.ts';
import { startJsSip } from './jssip.ts';
import { startLinphone } from './linphone.ts';
import type { StartPhone } from './phone.ts';
import { whyMissing } from './phone-program.ts';
import { startSipJs } from './sipjs.ts';

export type { Phone, PhoneCall, PhoneOptions } from './phone.ts';

/** A phone of somebody else and what it can do of itself; docs/phones.md says it in words. */
export interface PhoneModel {
  readonly start: StartPhone;
  readonly transports: readonly TransportName[];
  readonly attendedTransfer: boolean;
  /** Makes the Replaces of a Refer-To a header of its INVITE. */
  readonly followsReplaces: boolean;
  /** Why it cannot be tried here; undefined when it can. */
  readonly missing?: string | undefined;
}

export type PhoneName = 'baresip' | 'linphone' | 'SIP.js' | 'JsSIP';

export const phoneModels: Readonly<Record<PhoneName, PhoneModel>> = {
  baresip: {
    start: startBaresip,
    transports: ['udp', 'tcp', 'tls'],
    attendedTransfer: false,
    followsReplaces: false,
    missing: whyMissing('baresip', 'baresip-core'),
  },
  linphone: {
    start: startLinphone,
    transports: ['udp', 'tcp', 'tls'],
    attendedTransfer: true,
    followsReplaces: true,
    missing: whyMissing('linphone-daemon', 'linphone-cli'),
  },
  'SIP.js': { start: startSipJs, transports: ['ws', 'wss'], attendedTransfer: true, followsReplaces: true },
  JsSIP: { start: startJsSip, transports: ['ws', 'wss'], attendedTransfer: true, followsReplaces: true },
};
