import {
  type HeaderField,
  headerField,
  headerItems,
  headerValue,
  isMultipart,
  type MultipartLimits,
  multipartFault,
  type SipRequest,
} from '../message/index.ts';
import type { BranchIds } from './branch-id.ts';

/** Why a request goes no further. */
export interface Rejection {
  readonly status: number;
  readonly headers?: readonly HeaderField[];
}

/** RFC 3261 §16.3, steps 2 to 5; the parser took care of step 1, the policy takes care of authorisation. */
export function checkRequest(
  request: SipRequest,
  branches: BranchIds,
  limits: MultipartLimits,
): Rejection | undefined {
  if (!isRoutableScheme(request.uri)) return { status: 416 };
  if (request.maxForwards === 0) return { status: 483 };
  if (branches.isLoop(request)) return { status: 482 };
  const required = headerItems(request, 'proxy-require');
  // An ACK insists on nothing: its INVITE was already accepted.
  if (required.length > 0 && request.method !== 'ACK') {
    // This proxy has no extension that a client could insist on.
    return { status: 420, headers: [headerField('Unsupported', required.join(', '))] };
  }
  return request.body.length > 0 ? checkBody(request, limits) : undefined;
}

/** A proxy need not look into bodies; but what phones read with care here and there should not reach them broken. */
function checkBody(request: SipRequest, limits: MultipartLimits): Rejection | undefined {
  const contentType = headerValue(request, 'content-type');
  if (contentType === undefined || !isMultipart(contentType)) return undefined;
  // What is encoded (RFC 3261 §20.12) is for the one to judge who can decode it.
  if (headerValue(request, 'content-encoding') !== undefined) return undefined;
  switch (multipartFault(contentType, request.body, limits)) {
    case undefined:
      return undefined;
    case 'broken':
      return { status: 400 };
    case 'excessive':
      return { status: 415 };
  }
}

function isRoutableScheme(uri: string): boolean {
  const scheme = uri.slice(0, uri.indexOf(':')).toLowerCase();
  return scheme === 'sip' || scheme === 'sips' || scheme === 'tel';
}
