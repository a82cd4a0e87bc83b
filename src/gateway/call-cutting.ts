import { type Logger, type Random, randomId } from '../base/index.ts';
import { addressOf } from '../intent/index.ts';
import {
  type ClientTransactionHandler,
  createRequest,
  createVia,
  type Flow,
  type HeaderField,
  headerField,
  maxCSeq,
  type ProxyAddress,
  type ProxyTarget,
  type SipRequest,
} from '../sip/index.ts';
import { isFingerprint } from '../tokens/index.ts';
import { type DialogEnd, readDialog } from './call-dialog.ts';
import type { Call } from './call-records.ts';
import type { DialogPolicy } from './dialog-policy.ts';
import type { OnBehalfSigner } from './on-behalf.ts';

export interface CallCuttingOptions {
  readonly dialogs: Pick<DialogPolicy, 'targets'>;
  readonly signer: OnBehalfSigner;
  readonly domainName: string;
  readonly random: Random;
  readonly logger: Logger;
  readonly addressFor: (flow: Flow) => ProxyAddress;
  readonly send: (request: SipRequest, flow: Flow, handler: ClientTransactionHandler) => unknown;
}

/** Ends calls in the parties' stead: with a CANCEL while they ring, with a BYE to both once they are answered. */
export class CallCutting {
  readonly #options: CallCuttingOptions;

  constructor(options: CallCuttingOptions) {
    this.#options = options;
  }

  /** How it was ended; undefined for a call that cannot be. The parties' answers are not waited for. */
  cut(call: Call, why: string): 'bye' | 'cancel' | undefined {
    // RFC 3326
    const reason = headerField('Reason', `SIP;cause=403;text="${why}"`);
    if (call.pending !== undefined) {
      call.pending.cancel([reason]);
      return 'cancel';
    }
    if (call.dialog === undefined) return undefined;
    const { caller, callee } = readDialog(call.dialog, call.callerFlow);
    for (const [to, from] of [
      [caller, callee],
      [callee, caller],
    ] as const)
      this.#hangUp(call, to, from, reason, why).catch((error: unknown) =>
        this.#options.logger.warn({ call: call.id, error: String(error) }, 'a call could not be cut'),
      );
    return 'bye';
  }

  async #hangUp(call: Call, to: DialogEnd, from: DialogEnd, reason: HeaderField, why: string): Promise<void> {
    const { dialogs, send, logger, addressFor } = this.#options;
    const unsent = this.#bye(call, to, from, { headers: [] });
    const failed = (answer: string): void =>
      logger.warn({ call: call.id, to: to.address, answer }, 'a party was not told that its call is over');
    const targets = await dialogs.targets(unsent, to, '');
    if (targets.length === 0) failed('nowhere');
    for (const target of targets) {
      const headers = [reason, ...(target.headers ?? []), ...this.#signature(unsent, to, why)];
      const address = addressFor(target.flow);
      send(this.#bye(call, to, from, { headers, target, address }), target.flow, {
        // RFC 3261 §15.1.2: 481 says that the party has ended it already.
        onResponse: ({ status }) => {
          if (status >= 300 && status !== 481) failed(String(status));
        },
        onTimeout: () => failed('none'),
        onTransportError: () => failed('no connection'),
      });
    }
  }

  #bye(
    call: Call,
    to: DialogEnd,
    from: DialogEnd,
    over: {
      readonly headers: readonly HeaderField[];
      readonly target?: ProxyTarget;
      readonly address?: ProxyAddress;
    },
  ): SipRequest {
    const { random } = this.#options;
    const { target, address = { host: 'localhost', port: undefined } } = over;
    const routes = [...(target?.routes ?? []), ...to.routes];
    const { transport, reliable } = target?.flow ?? { transport: 'tcp', reliable: true };
    return createRequest({
      method: 'BYE',
      uri: target?.requestUri ?? to.contact,
      via: createVia({ transport, ...address, branch: randomId(random, 80), rport: !reliable }),
      from: from.address,
      to: to.address,
      callId: call.sipCallId,
      // The parties' own numbers are not known here, and whatever comes last has the highest (RFC 3261 §12.2.2).
      cseq: maxCSeq,
      headers: [...routes.map((route) => headerField('Route', route)), ...over.headers],
    });
  }

  /** The gateway's word for it, for a phone of this domain. */
  #signature(request: SipRequest, { identity }: DialogEnd, text: string): readonly HeaderField[] {
    if (identity === undefined || !isFingerprint(identity)) return [];
    const { signer, domainName: audience } = this.#options;
    const callee = { fingerprint: identity, address: addressOf(request.to.uri) };
    const token = signer.sign({ request, caller: undefined, assurance: 0, audience, callee, text });
    return [headerField('Intent-Token', token)];
  }
}
