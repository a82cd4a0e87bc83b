import type { MediaRefusal } from '../../media/index.ts';

/** RFC 3261 §21.4.26 for a description that is at fault; else it is this server that cannot (§21.5.4). */
export function mediaStatus({ fault }: MediaRefusal): 488 | 503 {
  return fault === 'unacceptable' ? 488 : 503;
}
