import { type HeaderField, headerField } from '../message/index.ts';

/** Why a branch is cancelled or a call ended, for those who would otherwise take it for a missed call (RFC 3326). */
export function reasonOf(cause: number, text: string): HeaderField {
  return headerField('Reason', `SIP;cause=${cause};text="${text}"`);
}

/** RFC 3326 §3.1: another branch was answered. */
export const answeredElsewhere: readonly HeaderField[] = [reasonOf(200, 'Call completed elsewhere')];

export const callerGone: HeaderField = reasonOf(487, 'The caller is gone');
