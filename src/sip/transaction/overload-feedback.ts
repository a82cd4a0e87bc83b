import type { Clock } from '../../base/index.ts';
import {
  type HeaderField,
  paramValue,
  replaceTopVia,
  type SipRequest,
  type SipResponse,
  serializeVia,
  type Via,
  withoutParam,
} from '../message/index.ts';

/** RFC 7339 §4.3: how long the peer goes by what it was told. */
const validityMs = 500;

/** Whether the peer that sent this request can hold back load (RFC 7339 §4.1): `oc` without a value in its Via. */
export function offersOverloadControl({ via: { params } }: SipRequest): boolean {
  if (paramValue(params, 'oc') !== '') return false;
  // RFC 7339 §4.2: who names no algorithm knows "loss", as everybody must.
  const algorithms = paramValue(params, 'oc-algo');
  return algorithms === undefined || algorithms.split(',').some((name) => name.trim() === 'loss');
}

/**
 * A response that tells the peer how much to hold back (RFC 7339 §5.5): the share of requests to keep, for how long,
 * and a number that rises. A share of 0 has no validity: the peer is to send what it has.
 */
export function withOverloadFeedback(response: SipResponse, lossPercent: number, clock: Clock): SipResponse {
  const nowMs = clock.now();
  const sequence = `${Math.floor(nowMs / 1000)}.${String(Math.floor(nowMs % 1000)).padStart(3, '0')}`;
  const validity = lossPercent === 0 ? 0 : validityMs;
  const told = `;oc=${lossPercent};oc-algo="loss";oc-validity=${validity};oc-seq=${sequence}`;
  const asked: Via = {
    ...response.via,
    params: withoutParam(withoutParam(response.via.params, 'oc'), 'oc-algo'),
  };
  const plain = replaceTopVia(response, asked);
  const { length } = serializeVia(asked);
  let done = false;
  // As text: the grammar wants quotes around an algorithm that, being a token, would be written without them.
  const headers = plain.headers.map((field): HeaderField => {
    if (done || field.name !== 'via') return field;
    done = true;
    return { ...field, value: field.value.slice(0, length) + told + field.value.slice(length) };
  });
  return { ...plain, headers };
}
