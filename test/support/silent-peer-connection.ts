/** What a browser calls RTCSessionDescription: a type and its text. */
export class SessionDescription {
  readonly type: string;
  readonly sdp: string;

  constructor({ type, sdp }: { readonly type: string; readonly sdp: string }) {
    this.type = type;
    this.sdp = sdp;
  }
}

const opposite: Readonly<Record<string, string>> = {
  sendrecv: 'sendrecv',
  sendonly: 'recvonly',
  recvonly: 'sendonly',
  inactive: 'inactive',
};

let sessionId = Date.now();

/**
 * The part of a browser's RTCPeerConnection that a user agent needs for its signalling: offers and answers of one
 * audio line with the directions of RFC 3264, gathered at once, nothing sent.
 */
export class SilentPeerConnection extends EventTarget {
  readonly iceGatheringState = 'complete';
  readonly iceConnectionState = 'connected';
  localDescription: SessionDescription | undefined;
  remoteDescription: SessionDescription | undefined;
  signalingState: 'stable' | 'have-local-offer' | 'have-remote-offer' | 'closed' = 'stable';
  readonly #sessionId = ++sessionId;
  #version = 0;

  createOffer(): Promise<SessionDescription> {
    return Promise.resolve(this.#description('offer', 'sendrecv'));
  }

  createAnswer(): Promise<SessionDescription> {
    const offered = directionOf(this.remoteDescription?.sdp ?? '');
    return Promise.resolve(this.#description('answer', answeringDirection(offered)));
  }

  setLocalDescription(description: SessionDescription): Promise<void> {
    this.localDescription = description;
    this.signalingState = description.type === 'offer' ? 'have-local-offer' : 'stable';
    return Promise.resolve();
  }

  setRemoteDescription(description: SessionDescription): Promise<void> {
    this.remoteDescription = description;
    this.signalingState = description.type === 'offer' ? 'have-remote-offer' : 'stable';
    return Promise.resolve();
  }

  getSenders(): readonly never[] {
    return [];
  }

  close(): void {
    this.signalingState = 'closed';
  }

  #description(type: 'offer' | 'answer', direction: string): SessionDescription {
    const lines = [
      'v=0',
      `o=- ${this.#sessionId} ${++this.#version} IN IP4 127.0.0.1`,
      's=-',
      't=0 0',
      // As telephones do, not browsers: calls between the two are to get as far as they would through a relay.
      'm=audio 9 RTP/AVP 0',
      'c=IN IP4 127.0.0.1',
      'a=rtpmap:0 PCMU/8000',
      `a=${direction}`,
      '',
    ];
    return new SessionDescription({ type, sdp: lines.join('\r\n') });
  }
}

/** What fits an offered direction (RFC 3264 §6.1). */
export function answeringDirection(offered: string): string {
  return opposite[offered] ?? 'inactive';
}

/** RFC 3264 §5: without a direction a stream goes both ways. */
export function directionOf(sdp: string): string {
  const lines = sdp.split(/\r?\n/);
  return lines.map((line) => line.slice(2)).find((text) => text in opposite) ?? 'sendrecv';
}
